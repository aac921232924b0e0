import numpy as np
import pytest
from sklearn import model_selection
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from skdp.model_selection import BernoulliSplit, train_test_split
from skdp.naive_bayes import GaussianNB


def test_folds_are_a_partition():
    X = np.zeros((200, 1))
    splits = list(BernoulliSplit(4).split(X))
    assert len(splits) == BernoulliSplit(4).get_n_splits() == 4
    assert np.array_equal(np.sort(np.concatenate([test for _, test in splits])), np.arange(200))
    for train, test in splits:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(200))


def test_each_fold_is_equally_likely():
    sizes = [len(test) for _, test in BernoulliSplit(5, random_state=0).split(np.zeros((100_000, 1)))]
    assert np.all(np.abs(np.array(sizes) - 20_000) < 5 * np.sqrt(100_000 * 0.2 * 0.8))
    assert len(set(sizes)) > 1  # they would be equal if rows were counted


class Coins:
    """Random bits that give each row of a data set its own coin, whatever the other rows are."""

    def __init__(self, coins):
        self.coins = coins

    def below(self, bound, size):
        assert size == len(self.coins)
        return np.array(self.coins)


def members(splitter, rows):
    return [set(rows[test]) for _, test in splitter.split(rows)]


@pytest.mark.parametrize("where", [0, 7, 20])
def test_one_more_row_moves_no_other(monkeypatch, where):
    from skdp.model_selection import _split

    rows = np.arange(20)
    more = np.insert(rows, where, 99)
    coins = np.random.RandomState(0).randint(3, size=20)
    monkeypatch.setattr(_split, "RandomBits", lambda seed: Coins(coins))
    before = members(BernoulliSplit(3), rows)
    monkeypatch.setattr(_split, "RandomBits", lambda seed: Coins(np.insert(coins, where, 1)))
    after = members(BernoulliSplit(3), more)
    assert [fold - {99} for fold in after] == before
    if where < 20:  # folds by position are not like that
        assert [fold - {99} for fold in members(KFold(3), more)] != members(KFold(3), rows)


@pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning")
def test_it_serves_as_cv():
    X = np.random.RandomState(0).uniform(-1, 1, size=(300, 2))
    y = (X[:, 0] > 0).astype(int)
    model = GaussianNB(bounds=(-1, 1), classes=[0, 1])
    assert cross_val_score(model, X, y, cv=BernoulliSplit(3)).shape == (3,)
    search = GridSearchCV(model, {"var_smoothing": [1e-9, 1e-3]}, cv=BernoulliSplit(2)).fit(X, y)
    assert search.n_splits_ == 2


def test_folds_are_drawn_anew():
    X = np.zeros((500, 1))

    def draw(**parameters):
        return [tuple(test) for _, test in BernoulliSplit(2, **parameters).split(X)]

    assert draw() != draw()
    assert draw(random_state=0) == draw(random_state=0)


@pytest.mark.parametrize("n_splits", [1, 2.5, "2"])
def test_bad_numbers_of_folds(n_splits):
    with pytest.raises(ValueError, match="n_splits must be an integer of at least 2"):
        BernoulliSplit(n_splits)


def test_lists_and_frames_have_rows():
    import pandas as pd

    for X in ([[1], [2], [3]], ["a", "b", "c"], pd.DataFrame({"a": [1, 2, 3]})):
        assert sum(len(test) for _, test in BernoulliSplit(2).split(X)) == 3


@pytest.mark.parametrize("where", [0, 7, 20])
def test_one_more_row_changes_no_other_side(monkeypatch, where):
    from skdp.model_selection import _split

    rows = np.arange(20)
    more = np.insert(rows, where, 99)
    coins = np.random.RandomState(0).uniform(size=20) < 0.3

    class Tossed:
        def __init__(self, coins):
            self._coins = coins

        def coins(self, probability, size):
            assert (probability, size) == (0.3, len(self._coins))
            return self._coins

    monkeypatch.setattr(_split, "Noise", lambda seed: Tossed(coins))
    train, test = train_test_split(rows, test_size=0.3)
    monkeypatch.setattr(_split, "Noise", lambda seed: Tossed(np.insert(coins, where, True)))
    more_train, more_test = train_test_split(more, test_size=0.3)
    assert np.array_equal(more_train, train)
    assert set(more_test) == {*test, 99}
    # scikit-learn's function gives each side an exact share of the rows, and others change sides.
    plain, plain_more = (model_selection.train_test_split(r, test_size=0.3, random_state=0)[1] for r in (rows, more))
    assert set(plain_more) - {99} != set(plain)


def test_sides_of_all_arrays_belong_together():
    import pandas as pd

    X, y = np.arange(400).reshape(200, 2), np.arange(200)
    parts = train_test_split(X, y.tolist(), pd.DataFrame({"a": y}), test_size=0.25, random_state=0)
    X_train, X_test, y_train, y_test, frame_train, frame_test = parts
    assert np.array_equal(X_train[:, 0], 2 * np.array(y_train))
    assert np.array_equal(frame_test["a"], y_test)
    assert len(X_train) + len(X_test) == 200
    assert 20 < len(X_test) < 80
    assert len(frame_train) == len(y_train)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_size": 10}, "test_size must be a probability"),
        ({"test_size": 0.0}, "test_size must be a probability"),
        ({"shuffle": True}, "shuffle=True is refused"),
        ({"stratify": [0, 1]}, "stratify=.* is refused"),
    ],
)
def test_exact_splits_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        train_test_split(np.zeros(10), **options)
    with pytest.raises(ValueError, match="one array at least"):
        train_test_split()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        train_test_split(np.zeros(10), np.zeros(9))
