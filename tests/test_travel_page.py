"""The page of an image that travels, read as HTML and in a browser without a network."""

import base64
import html.parser
import io
import json
import re
import shutil
import subprocess

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bnkeras import BatchNormLayer
from bnkeras.batches import scenes_of, travel_page, travel_scene, travelling

NAMES = ["cat", "dog </script> & owl"]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def scene(**changes):
    """Two images, a third that travels through their places; it is taken for what it replaces."""
    steps = travelling([0, 1], 2)
    labels = np.array([0, 1, 0])[steps]
    probabilities = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.2, 0.8]], [[0.9, 0.1], [0.4, 0.6]]])
    pictures = (np.arange(3 * 4 * 4 * 3).reshape(3, 4, 4, 3) % 256).astype("uint8")[steps]
    found = {"name": "a cat", "labels": labels, "travelling": steps == 2, "probabilities": probabilities}
    return found | {"pictures": pictures} | changes


def data_of(page):
    text = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1]
    return json.loads(text)


def test_what_a_model_answers_while_an_image_travels():
    x = np.array([[1.0], [3.0], [7.0]], "float32")
    answer = keras.layers.Dense(2, use_bias=False)
    model = keras.Sequential([keras.Input((1,)), BatchNormLayer(epsilon=0.0), answer])
    answer.set_weights([np.array([[-1.0, 1.0]])])
    found = travel_scene(model, x, [0, 0, 1], [0, 1], images=2, name="the third")
    np.testing.assert_array_equal(found["labels"], [[0, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(found["travelling"], [[False, False], [True, False], [False, True]])
    np.testing.assert_array_equal(found["pictures"], x[[[0, 1], [2, 1], [0, 2]]])
    # A batch of two is normalized to -1 and 1, so the logits are (1, -1) and (-1, 1).
    low = 1 / (1 + np.exp(2))
    expected = np.array([[low, 1 - low], [1 - low, low], [low, 1 - low]])
    np.testing.assert_allclose(found["probabilities"][..., 1], expected, rtol=1e-5)
    assert travel_page([found | {"pictures": None}], NAMES).count("the third") == 1


def test_everything_is_in_the_page():
    page = travel_page([scene(), scene(name="a dog", pictures=None)], NAMES, title="A <title>", note="a & b")
    assert not re.search(r"(src|href)\s*=\s*[\"']?http|@import|fetch\(|XMLHttp", page)
    assert "<h1>A &lt;title&gt;</h1>" in page
    assert "a &amp; b" in page
    data = data_of(page)
    assert data["classes"] == NAMES
    assert [one["name"] for one in data["scenes"]] == ["a cat", "a dog"]
    first = data["scenes"][0]
    assert first["labels"] == [[0, 1], [0, 1], [0, 0]]
    assert first["travelling"] == [[0, 0], [1, 0], [0, 1]]
    assert first["p"][2] == [[900, 100], [400, 600]]
    assert data["scenes"][1]["shown"] is None


def test_pictures_are_kept_once_and_as_they_are():
    found = scene()
    first = data_of(travel_page([found], NAMES))["scenes"][0]
    assert len(first["pictures"]) == 3
    for (step, place), picture in np.ndenumerate(first["shown"]):
        data = base64.b64decode(first["pictures"][picture].removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), found["pictures"][step, place])


def test_pictures_from_0_to_1_and_in_grey():
    floats = scene()["pictures"][..., :1] / np.float32(255)
    first = data_of(travel_page([scene(pictures=floats)], NAMES))["scenes"][0]
    picture = Image.open(io.BytesIO(base64.b64decode(first["pictures"][first["shown"][0][0]].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(picture), scene()["pictures"][0, 0, ..., 0])


def test_a_page_is_well_formed():
    opened = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "input", "br"):
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Parser().feed(travel_page([scene()], NAMES))
    assert opened == []


@pytest.mark.parametrize("scenes", [[], [scene(probabilities=np.zeros((3, 2, 3)))]])
def test_scenes_that_do_not_fit_the_classes(scenes):
    with pytest.raises(ValueError, match="`scenes` must have 2 classes"):
        travel_page(scenes, NAMES)


def test_scenes_of_a_table():
    found = scene()
    steps = travelling([0, 1], 2)
    rows = [
        {
            "scene": 3,
            "kind": "weak",
            "step": step,
            "place": place,
            "example": example,
            "label": found["labels"][step, place],
        }
        | {"travels": example == 2, "p_0": p[0], "p_1": p[1]}
        for (step, place), example in np.ndenumerate(steps)
        for p in [found["probabilities"][step, place]]
    ]
    pictures = np.arange(3 * 4).reshape(3, 2, 2, 1)
    (read,) = scenes_of(pd.DataFrame(rows).sample(frac=1, random_state=0), ["cat", "dog"], pictures)
    assert read["name"] == "weak: cat"
    for name in ("labels", "travelling", "probabilities"):
        np.testing.assert_array_equal(read[name], found[name])
    np.testing.assert_array_equal(read["pictures"], pictures[steps])


@pytest.fixture
def shown(tmp_path):
    """Function that opens a page from a file in a browser and returns what its scripts make of it."""

    def show(page, fragment=""):
        path = tmp_path / "page.html"
        path.write_text(page)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom"]
        options += [f"--user-data-dir={tmp_path / 'browser'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
        command = [BROWSER, *options, path.as_uri() + fragment]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return show


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_shows_the_step(shown):
    page = travel_page([scene(), scene(name="the second")], NAMES)
    first = shown(page)
    assert "The batch without the traveller." in first
    assert len(re.findall(r'class="card[ "]', first)) == 2
    later = shown(page, "#1,2")
    assert "2 of 2" in later
    assert (
        "In the place of dog &lt;/script&gt; &amp; owl, this cat is taken for dog &lt;/script&gt; &amp; owl." in later
    )
    assert len(re.findall(r'class="card wrong way"', later)) == 1
    assert "says cat, 90 %" in later


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_follows_the_slider_and_the_choice(shown):
    script = """<script>
      const move = document.getElementById("step");
      move.value = 1;
      move.dispatchEvent(new Event("input"));
      document.title = document.getElementById("says").textContent;
      const choose = document.getElementById("scene");
      choose.selectedIndex = 1;
      choose.dispatchEvent(new Event("change"));
      document.title += document.querySelectorAll("#cards img").length;
    </script></body>"""
    page = travel_page([scene(), scene(name="the second", pictures=None)], NAMES).replace("</body>", script)
    assert "<title>In the place of cat, this cat is taken for cat.0</title>" in shown(page)
