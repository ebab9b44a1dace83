"""Faces: photos of your own, or Labeled Faces in the Wild (Huang et al., 2007), 64x64 colour pixels."""

import tarfile
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from bnkeras.datasets import cache, common, photos

# The funneled archive, from the place that scikit-learn takes it from too.
URL = "https://ndownloader.figshare.com/files/5976015"
FILE_SHA256 = "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"
PEOPLE = 3
# The face within the 250x250 pixels: the rows of scikit-learn's default window, widened to a square.
BOX = (62, 70, 187, 195)
LFW = "Labeled Faces in the Wild"
# In the order of the labels of the copy below, which its photos and counts (510, 229, 144) show.
LFW_CLASS_NAMES = ("George W Bush", "Colin Powell", "Tony Blair")
LOCAL_SHA256 = "6147ef5d491a5355389ee81c1868149783e8f35b6af5ebde9dfa612df8cd257d"


def load(folder):
    """Load the first of these that is there.

    1. `<folder>/faces/`, photos of your own, one sub-folder per person (see `photos.load_folder`).
    2. `<folder>/faces.npz`, with `class_names` beside the four arrays if you like.
    3. The three people with the most photos in Labeled Faces in the Wild, downloaded and cached as `faces.npz`.
    """
    if (folder / "faces").is_dir():
        return _data(*photos.load_folder(folder / "faces"))
    known = {LOCAL_SHA256: f"{LFW}, 3 people, 529 + 354 images, 64x64"}
    arrays, source, sha256 = cache.load_stamped(
        folder / "faces.npz", common.IMAGE_KEYS, known, "faces", _download, optional=("class_names",)
    )
    names = arrays.pop("class_names", LFW_CLASS_NAMES if sha256 == LOCAL_SHA256 else None)
    if names is None:
        last = max(arrays["y_train"].max(initial=0), arrays["y_test"].max(initial=0))
        names = [f"person {label}" for label in range(1 + int(last))]
    return _data(arrays, names, source)


def read_archive(file):
    """Photos of the `PEOPLE` with the most of them in an archive of `<person>/<photo>.jpg`, nothing written to disk.

    Returns:
        `{person: list of images}`, most photos first; each image is cut to `BOX` and scaled, see `photos.read`.
    """
    with tarfile.open(file) as archive:
        members = defaultdict(list)
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and path.suffix == ".jpg":
                members[path.parent.name].append(member)
        people = sorted(members, key=lambda person: (-len(members[person]), person))[:PEOPLE]
        return {
            person.replace("_", " "): [
                photos.read(archive.extractfile(member), BOX)
                for member in sorted(members[person], key=lambda member: member.name)
            ]
            for person in people
        }


def _data(arrays, class_names, source):
    return common.image_data("faces", arrays, tuple(map(str, class_names)), source, photos.SHAPE)


def _download(folder):
    people = read_archive(cache.get_file(URL, FILE_SHA256, folder))
    arrays = photos.split_people(people, LFW)
    counts = f"{len(arrays['y_train']):,} + {len(arrays['y_test']):,} images"
    source = f"{LFW}, {len(people)} people, {counts}, 64x64, own crop and split"
    _data(arrays, people, source)
    return {**arrays, "class_names": np.array(list(people))}, source
