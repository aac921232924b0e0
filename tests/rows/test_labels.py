import numpy as np
import pytest

from skdp.accounting import Part, Threshold
from skdp.mechanisms import Noise
from skdp.rows import check_classes, check_labels, discover, encode


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        ([0, 1, 2, -5, 9], [0, 1, 2], [0, 1, 2, -1, -1]),
        ([0.0, 1.0, 0.5], [0, 1], [0, 1, -1]),
        (["b", "a", "z"], ["a", "b"], [1, 0, -1]),
        (np.array(["b", "a"], dtype=object), ["a", "b"], [1, 0]),
        (["1", "0"], [0, 1], [-1, -1]),
        ([1, 0], ["0", "1"], [-1, -1]),
        ([True, False], [False, True], [1, 0]),
        (np.array(["b", "a"], dtype=object), [0, 1], [-1, -1]),
        (["b", "a"], np.array([], dtype=str), [-1, -1]),
        ([1.0, 0.0], np.array([]), [-1, -1]),
    ],
)
def test_encode(y, classes, codes):
    assert encode(np.asarray(y), np.asarray(classes)).tolist() == codes


def test_classes_are_sorted_and_checked():
    assert check_classes(["b", "a"]).tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="must not repeat a label"):
        check_classes([0, 1, 0])
    with pytest.raises(ValueError, match="must be a list of labels"):
        check_classes([[0, 1]])
    with pytest.raises(ValueError, match="must be a list of labels"):
        check_classes([])
    with pytest.raises(ValueError, match="categories must not repeat"):
        check_classes([0, 1, 0], "categories")


def test_targets_that_are_no_labels():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        check_labels(np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match="Unknown label type"):
        check_labels(np.array([{}, 1], dtype=object))


def test_discovered_labels_are_no_wider_than_themselves():
    """The width of a string array is that of its longest label, even one that was dropped."""
    y = np.repeat(["a", "b", "a very rare label"], [500, 400, 1])
    assert discover(y, Part("labels", Threshold(0.2, 1e-7)), Noise(0)).dtype == np.dtype("<U1")


def test_discovery_keeps_frequent_labels():
    y = np.repeat([3, 1, 7], [500, 400, 1])
    assert discover(y, Part("labels", Threshold(0.2, 1e-7)), Noise(0)).tolist() == [1, 3]


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([b"1", b"2", b"rare and long"], [500, 400, 1]),
        np.repeat(np.array(["1", "2", "3"], dtype=object), [500, 400, 1]),
        np.repeat(np.array([1, 2, 250], dtype=np.uint8), [500, 400, 1]),
        np.repeat(np.array([-1.0, 0.0, 7.0], dtype=np.float32), [500, 400, 1]),
        np.repeat([False, True], [500, 400]),
    ],
    ids=lambda y: str(y.dtype),
)
def test_discovered_labels_are_as_y_holds_them(y):
    labels = discover(y, Part("labels", Threshold(0.2, 1e-7)), Noise(0))
    assert labels.dtype.type == y.dtype.type
    assert labels.tolist() == np.unique(y).tolist()[:2]
    assert encode(y, labels)[:900].tolist() == [0] * 500 + [1] * 400
