"""Faces: photos of your own, or Labeled Faces in the Wild (Huang et al., 2007), 64x64 colour pixels."""

import tarfile
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from bnkeras.datasets import cache, common, npz, photos

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

    1. `<folder>/faces/`, photos of your own, one sub-folder per person.
    2. `<folder>/faces.npz`, with `class_names` beside the four arrays if you like.
    3. The three people with the most photos in Labeled Faces in the Wild, downloaded and cached as `faces.npz`.
    """
    if (folder / "faces").is_dir():
        arrays, source = read_people(folder / "faces")
        return _build(arrays, source, npz.sha256(arrays))
    known = {LOCAL_SHA256: f"{LFW}, 3 people, 529 + 354 images, 64x64"}
    return cache.load(folder / "faces.npz", common.IMAGE_KEYS, _build, known, "faces", _download)


def _build(arrays, source, sha256):
    """Without `class_names`, there are as many people as different labels in the training part."""
    unnamed = [f"person {label}" for label in range(len(np.unique(arrays["y_train"])))]
    names = LFW_CLASS_NAMES if sha256 == LOCAL_SHA256 else unnamed
    return common.images("faces", (64, 64, 3), names, arrays, source, sha256)


def read_people(folder):
    """The arrays and the source of a folder that holds one sub-folder of photos per person.

    Files that are no whole photo, or in no sub-folder, are skipped, with a warning, and the source counts them.
    """
    entries = photos.visible(folder)
    skipped = [path for path in entries if not path.is_dir()]
    people = {path.name: photos.read_all(path, skipped) for path in entries if path.is_dir()}
    if len(people) < 2:
        raise common.DataError(
            f"{folder} must hold photos of two people or more, a folder each. Received: {list(people)}"
        )
    note = photos.report(skipped, folder)
    arrays = split_people(people, folder)
    return arrays, f"own photos, {len(people)} people, {common.counts(arrays)}{note}"


def _download(folder):
    people = read_archive(cache.fetch(URL, FILE_SHA256, folder))
    arrays = split_people(people, LFW)
    return arrays, f"{LFW}, {len(people)} people, {common.counts(arrays)}, 64x64, own crop and split"


def read_archive(file):
    """Photos of the `PEOPLE` with the most of them in an archive of `<person>/<photo>.jpg`, nothing written to disk.

    They come as `{person: list of images}`, most photos first, each image cut to `BOX` and scaled.
    """
    with tarfile.open(file) as archive:
        members = defaultdict(list)
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and path.suffix == ".jpg":
                members[path.parent.name.replace("_", " ")].append(member)
        people = sorted(members, key=lambda person: (-len(members[person]), person))[:PEOPLE]
        ordered = {person: sorted(members[person], key=lambda member: member.name) for person in people}
        return {
            person: [photos.read(archive.extractfile(member), box=BOX) for member in chosen]
            for person, chosen in ordered.items()
        }


def split_people(people, what):
    """The arrays of `{person: list of images}`, each person's split 60/40, at least one in each part, then shuffled.

    A person's split depends on their number of photos alone, not on who else there is.
    """
    train, test = [], []
    for label, (person, images) in enumerate(people.items()):
        if len(images) < 2:
            raise common.DataError(f"{what}: two usable photos of {person!r} are needed. Received: {len(images)}")
        pairs = [(images[index], label) for index in np.random.default_rng(0).permutation(len(images))]
        first = round(0.6 * len(pairs))
        train, test = train + pairs[:first], test + pairs[first:]
    arrays = {"class_names": np.array(list(people))}
    arrays["x_train"], arrays["y_train"] = photos.shuffled(train)
    arrays["x_test"], arrays["y_test"] = photos.shuffled(test)
    return arrays
