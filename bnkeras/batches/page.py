"""A page on which an image travels through a batch: one HTML file that needs no server and no network."""

import base64
import html
import io
import json
import re
from pathlib import Path

import numpy as np
from scipy.special import softmax

from bnkeras.batches.compositions import travelling
from bnkeras.batches.inference import predict_batches

_TEMPLATE = Path(__file__).with_name("travel_page.html")


def travel_scene(model, x, labels, batch, images, name):
    """Return what a model answers while images travel through a batch, for `travel_page`.

    Args:
        model: A `keras.Model` with logits, as `predict_batches` takes it.
        x: Array of examples; pictures `[n, height, width, channels]` from 0 to 1, or uint8, are shown.
        labels: True classes, integers of shape `(n,)`.
        batch: Indices of the examples of the batch.
        images: Index, or indices, of what travels through it.
        name: What to choose it by.

    Returns:
        A dict with `name`, the true classes `labels` and the places `travelling`, both of shape `(size + 1, size)`,
        `probabilities` `(size + 1, size, classes)`, and `pictures` `(size + 1, size, height, width, channels)`.
    """
    batches = travelling(batch, images)
    return {
        "name": name,
        "labels": np.asarray(labels)[batches],
        "travelling": np.isin(batches, images),
        "probabilities": softmax(predict_batches(model, x, batches), axis=-1),
        "pictures": x[batches],
    }


def scenes_of(table, class_names, pictures=None):
    """Return the scenes of the rows of `travel_rows`, for `travel_page`.

    Args:
        table: `DataFrame` of such rows.
        class_names: One string a class.
        pictures: Array that the column `example` is an index into. Defaults to `None`, without pictures.
    """
    scenes = []
    for (_, kind), rows in table.sort_values(["step", "place"]).groupby(["scene", "kind"]):
        shape = rows.step.nunique(), rows.place.nunique()
        who = rows[rows.travels & (rows.step == 1)].label
        columns = {name: rows[name].to_numpy().reshape(shape) for name in ("label", "travels", "example")}
        scores = rows[[f"p_{i}" for i in range(len(class_names))]].to_numpy().reshape(*shape, -1)
        scenes.append(
            {
                "name": f"{kind}: {' and '.join(class_names[label] for label in who)}",
                "labels": columns["label"],
                "travelling": columns["travels"],
                "probabilities": scores,
                "pictures": None if pictures is None else pictures[columns["example"]],
            }
        )
    return scenes


def travel_page(scenes, class_names, title="An image travels through a batch", note=""):
    """Return an HTML page with a slider that moves images through a batch and shows what happens to each prediction.

    All probabilities are in the page, pictures too; it asks for nothing from outside and works from a file. A fragment
    such as `#2,7` opens it with the scene 2, counted from 0, at step 7.

    Args:
        scenes: List of dicts as `travel_scene` returns them; `pictures` may be missing.
        class_names: One string a class.
        title: Heading. Defaults to `"An image travels through a batch"`.
        note: A sentence below it, such as where model and data are from. Defaults to `""`.

    Returns:
        The page, a string.

    Raises:
        ValueError: If there is no scene, or one has another number of classes than `class_names`.

    Example:

    >>> scene = travel_scene(model, x_test, y_test, batch, images=[17], name="a frog")
    >>> Path("travel.html").write_text(travel_page([scene], class_names))
    """
    sizes = [np.shape(scene["probabilities"])[-1] for scene in scenes]
    if not sizes or set(sizes) != {len(class_names)}:
        raise ValueError(f"`scenes` must have {len(class_names)} classes, one at least. Received: classes={sizes}")
    data = {"classes": [str(name) for name in class_names], "scenes": [_plain(scene) for scene in scenes]}
    # Within a script element, "</" would end it.
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    parts = {"title": html.escape(title), "note": html.escape(note), "data": text}
    page = _TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], page)


def _plain(scene):
    """A scene as what JSON holds, each picture once, probabilities in thousandths."""
    uris, index = [], None
    if scene.get("pictures") is not None:
        steps = np.shape(scene["labels"])
        pictures = _as_bytes(np.asarray(scene["pictures"])).reshape(steps[0] * steps[1], -1)
        unique, index = np.unique(pictures, axis=0, return_inverse=True)
        uris = [_png(one.reshape(np.shape(scene["pictures"])[2:])) for one in unique]
        index = index.reshape(steps).tolist()
    return {
        "name": str(scene["name"]),
        "labels": np.asarray(scene["labels"]).tolist(),
        "travelling": np.asarray(scene["travelling"]).astype(int).tolist(),
        "p": np.rint(1000 * np.asarray(scene["probabilities"])).astype(int).tolist(),
        "pictures": uris,
        "shown": index,
    }


def _as_bytes(pictures):
    return pictures if pictures.dtype == np.uint8 else np.rint(255 * np.clip(pictures, 0, 1)).astype("uint8")


def _png(picture):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
