"""Fits of diffprivlib's models in an environment of its own, since it needs an older scikit-learn.

`run` starts this file as `python diffprivlib_worker.py INPUT OUTPUT`, with a list of fits and one of results in files.
"""

import contextlib
import pickle
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple


class Fit(NamedTuple):
    """A model to fit, and what to return of it.

    Attributes
    ----------
    model : str
        A class of `diffprivlib.models`.
    parameters : dict
    data : tuple of ndarrays
        Arguments of its `fit`.
    output : str
        A method, or a fitted attribute.
    arguments : tuple
        Of the method.
    """

    model: str
    parameters: dict
    data: tuple
    output: str
    arguments: tuple = ()


def run(python, fits, timeout=None):
    """The output of each fit and the seconds that it took.

    Parameters
    ----------
    python : str
        Python of the environment.
    fits : list of Fit
    timeout : float, default=None
        Seconds for all fits together; None waits as long as it takes.

    Returns
    -------
    list of (output, seconds)
        Of those that were done in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fits"), Path(folder, "results")
        source.write_bytes(pickle.dumps([tuple(fit) for fit in fits]))
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([python, __file__, source, target], check=True, timeout=timeout)
        results = []
        with contextlib.suppress(EOFError, FileNotFoundError, pickle.UnpicklingError), target.open("rb") as file:
            while True:
                results.append(pickle.load(file))
        return results


def _main(source, target):
    from diffprivlib import models

    with open(target, "wb") as file:
        for name, parameters, data, output, arguments in pickle.loads(Path(source).read_bytes()):
            start = time.perf_counter()
            model = getattr(models, name)(**parameters).fit(*data)
            seconds = time.perf_counter() - start
            value = getattr(model, output)
            pickle.dump((value(*arguments) if callable(value) else value, seconds), file)
            file.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    _main(*sys.argv[1:])
