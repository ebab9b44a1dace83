"""Readable names of settings and their values, the same in reports and in figures."""

_VALUES = {
    "paper": {
        "mnist-report": "Course report",
        "tang-fong": "Tang & Fong",
        "hajaj-gillies": "Hajaj & Gillies",
        "schilling": "Schilling",
    },
    "normalization": {
        "none": "base (no normalization)",
        "bn": "batch normalization",
        "ln": "layer normalization",
        "ws": "weight standardization",
        "ws_bn": "WS + BN",
        "gn": "group normalization",
        "ghost_bn": "ghost BN, groups of 16",
    },
    "data": {
        "mnist": "MNIST",
        "mnist_sample": "sample of MNIST",
        "bng_glass": "BNG(glass)",
        "bng_glass_sample": "sample of BNG(glass)",
        "faces_drawn": "drawn faces",
        "cifar10": "CIFAR-10",
        "cifar10_drawn": "drawn shapes",
    },
    "inference": {
        "none": "",
        "moving averages": "moving averages",
        "population": "the population's statistics",
        "batch's own": "each test batch's own statistics",
    },
    "rule": {
        "fixed": "learning rate fixed",
        "scaled": "learning rate ∝ batch size",
        "plateaus": "learning rate halved on plateaus",
    },
    "budget": {"epochs": "equal epochs", "steps": "equal steps"},
    "augment": {True: "augmented", False: ""},
    "before_pool": {True: "BN before the pool", False: ""},
}


def label(setting, value):
    """Readable name of a setting's value, such as "learning rate 0.1" or "batch normalization"; may be empty."""
    if setting in _VALUES:
        return _VALUES[setting].get(value, str(value))
    if isinstance(value, str):
        return value
    return f"{setting.replace('_', ' ')} {value:g}"


def labels(settings):
    """Readable names of `{setting: value}`, joined by commas, empty ones left out."""
    return ", ".join(filter(None, (label(setting, value) for setting, value in settings.items())))
