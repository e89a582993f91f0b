"""The tasks of the repository: `python -m nox -l` lists them.

Every session installs wheels, never sources. A wheel is built once and kept in `.wheelhouse/`
under a hash of what it was built from, so that sessions share it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
WHEELHOUSE = ROOT / ".wheelhouse"
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
NAMES = [package.name for package in PACKAGES]
PYTHONS = ("3.11", "3.12", "3.13")
BACKENDS = ("reference", "cpu")
# What a decomposed indexing function raises inside compile names the primitive that failed.
_DECOMPOSED = ("late_index_error",)
# Tests of memory that the host shares with the device.
_SHARED = (
    "never_writes_into_a_shared_scalar",
    "asarray_of_an_array_is_no_copy",
    "numpy_view_writes_into_the_array",
    "view_stays_while_the_array_moves_on",
    "dlpack_shares_memory_with_numpy",
    "exported_storage_is_never_reused",
)
# The backends that prove the contract, and the tests of core that don't hold there.
PROOFS = {"minimal": _DECOMPOSED, "remote": (*_DECOMPOSED, *_SHARED)}
STACK = ("core", "backend-cpu", "io", "nn")
TEST_TOOLS = (
    "pytest>=8",
    "pytest-timeout",
    "hypothesis",
    "safetensors",
    "rich",
    "tqdm",
    "pyyaml",
    "setuptools>=77",  # compiles the sample of kernels in C
)
QUICKSTART = ("tqdm", "matplotlib", "scikit-learn")
SHARDS = 8
PEERS = ("torch==2.13.0", "jax>=0.4.30")
READERS = ("onnx>=1.21", "onnxruntime>=1.24")

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "tests"]
# A Python that is not installed is a visible skip of its row of the matrix, in CI too.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"


# -- Pythons ----------------------------------------------------------------------------------


def python_at(version: str) -> str:
    """A Python of this version that really starts, from PATH or pyenv; else the version itself."""
    pyenv = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    found = sorted(glob.glob(f"{glob.escape(pyenv)}/versions/{version}.*/bin/python{version}"))
    for candidate in [shutil.which(f"python{version}"), *reversed(found)]:
        if candidate and starts(candidate):
            return candidate
    return version


def starts(python: str) -> bool:
    """Whether an interpreter runs: a pyenv shim on PATH exists for versions that are not active."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


# -- wheels -----------------------------------------------------------------------------------


def sources(package: Path) -> Iterator[Path]:
    """The files that a wheel of `package` is made from."""
    left_out = {"tests", "changes", "build", "dist", "__pycache__"}
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        made = any(part in left_out or part.endswith(".egg-info") for part in parts)
        if path.is_file() and not made and path.suffix not in (".so", ".pyc", ".whl"):
            yield path


def interpreter(session: nox.Session) -> str:
    """What decides whether a native wheel fits: implementation, version and platform."""
    code = "import sys, sysconfig; print(sys.implementation.cache_tag, sysconfig.get_platform())"
    answer = session.run("python", "-c", code, silent=True, log=False)
    return re.sub(r"\W+", "-", str(answer).strip())


def wheel_of(session: nox.Session, name: str, *, pure: bool = False) -> Path:
    """The wheel of one distribution for the session's Python, built if the wheelhouse lacks it."""
    package = ROOT / "packages" / name
    compiled = any((package / file).exists() for file in ("setup.py", "CMakeLists.txt"))
    form = "native" if compiled and not pure else "pure"
    python = interpreter(session) if form == "native" else "any"
    digest = hashlib.sha256(f"{python} {form}".encode())
    for path in sources(package):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    shelf = WHEELHOUSE / f"{name}-{form}-{python}-{digest.hexdigest()[:16]}"
    if not list(shelf.glob("*.whl")):
        build(session, package, shelf, pure=pure)
    return next(shelf.glob("*.whl"))


@contextmanager
def copy_of(package: Path, name: str) -> Iterator[Path]:
    """A copy of what a wheel of `package` is made from, for the time of a build."""
    copy = WHEELHOUSE / f"{name}-sources-{os.getpid()}"
    for path in sources(package):
        target = copy / path.relative_to(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def build(session: nox.Session, package: Path, shelf: Path, *, pure: bool) -> None:
    """Build a wheel from a copy of the sources, so that nothing stale and nothing made gets in."""
    made = shelf.with_name(f"{shelf.name}-{os.getpid()}")
    command = ("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(made))
    with copy_of(package, shelf.name) as copy:
        session.run(*command, str(copy), env={"MONEL_PURE": "1" if pure else "0"})
    for old in shelf.parent.glob(shelf.name.rpartition("-")[0] + "-" + "[0-9a-f]" * 16):
        shutil.rmtree(old, ignore_errors=True)
    made.rename(shelf)


def install(
    session: nox.Session, *names: str, pure: bool = False, extra: tuple[str, ...] = ()
) -> list[str]:
    """Install wheels of this tree, and `extra` requirements from the index; returns the wheels."""
    present = [name for name in names if name in NAMES]
    wheels = [str(wheel_of(session, name, pure=pure and name == "core")) for name in present]
    session.install("--force-reinstall", "--no-deps", *wheels)
    session.install(*wheels, *extra)
    return wheels


# -- what users run -----------------------------------------------------------------------------


@nox.session
def quickstart(session: nox.Session) -> None:
    """Build and install the stack, and train on the digits: the first command of the README."""
    install(session, *STACK, extra=QUICKSTART)
    session.run("python", str(ROOT / "examples" / "digits.py"), *session.posargs)


# -- tests --------------------------------------------------------------------------------------


def suites(*names: str) -> list[str]:
    """The test folders of the packages named, and the common one."""
    folders = [ROOT / "packages" / name / "tests" for name in names] + [ROOT / "tests"]
    return [str(folder.relative_to(ROOT)) for folder in folders if folder.exists()]


def pytest(session: nox.Session, *args: str, **env: str) -> None:
    """Run pytest on what is installed, with further variables of the environment."""
    limits = ("--timeout=300", "-p", "no:cacheprovider")
    session.run("pytest", *limits, *args, *session.posargs, env=env)


def on_backend(session: nox.Session, backend: str) -> None:
    """Every test that holds on `backend`, in an environment that has no faster one."""
    session.log(f"backend {backend}: installing")
    rest = [name for name in NAMES if name != "backend-cpu"]
    names = NAMES if backend == "cpu" else rest
    wheels = install(session, *names, extra=TEST_TOOLS)
    session.run("python", "tests/check_wheel.py", *wheels)
    # The emulated device does not ask which backend is beside it: once is enough.
    tested = [name for name in names if name != "backend-metal" or backend == "reference"]
    pytest(session, *suites(*tested), "--ignore=tests/interop", "--ignore=tests/backends")


def proving_backends(session: nox.Session) -> None:
    """The backends that prove the contract, and the tutorial's: the kit, and core's tests."""
    install(session, "core", extra=TEST_TOOLS)
    folders = [*(f"tests/backends/{name}" for name in PROOFS), "examples/monel-backend-toy"]
    session.install("--force-reinstall", "--no-deps", *(f"./{folder}" for folder in folders))
    pytest(session, "tests/backends", "examples/monel-backend-toy/tests")


@nox.session
def proof(session: nox.Session) -> None:
    """The kit on backends reference, minimal, remote and toy; core's tests on two of them."""
    proving_backends(session)
    for name, left_out in PROOFS.items():
        session.log(f"core on backend {name}")
        env = {"MONEL_DEVICE": name, "MONEL_FALLBACK": "error"}
        chosen = f"not ({' or '.join(left_out)})"
        pytest(session, "packages/core/tests", "-m", "not slow", "-k", chosen, **env)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test that CI runs: each backend, core's pure wheel, and what proves the contract."""
    parts: dict[str, Callable[[], None]] = {
        "backend reference": lambda: on_backend(session, "reference"),
        "backend cpu": lambda: on_backend(session, "cpu"),
        "pure core": lambda: pure_core(session),
        "proving backends": lambda: proving_backends(session),
    }
    failed = []
    for name, part in parts.items():
        try:
            part()
        except CommandFailed:
            failed.append(name)
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
@nox.parametrize("backend", BACKENDS)
@nox.parametrize("python", [nox.param(python_at(version), id=version) for version in PYTHONS])
def matrix(session: nox.Session, backend: str) -> None:
    """Every Python that is installed, times every backend; a missing Python is a visible skip."""
    on_backend(session, backend)


@nox.session
def pure(session: nox.Session) -> None:
    """Core's pure wheel: the same files, interpreted."""
    pure_core(session)


def pure_core(session: nox.Session) -> None:
    install(session, "core", pure=True, extra=TEST_TOOLS)
    session.run("python", "-m", "pip", "uninstall", "--yes", "--quiet", "monel-backend-cpu")
    pytest(session, *suites("core")[:1], "-m", "not slow")


@nox.session
def core(session: nox.Session) -> None:
    """Core alone, on the reference backend: what to run after adding a primitive."""
    install(session, "core", extra=TEST_TOOLS)
    pytest(session, "packages/core/tests")


@nox.session
def sweep(session: nox.Session) -> None:
    """Pairs of transforms, of every sample in every dtype; `-- 3` runs one shard of eight.

    Reports are left in `.sweep/`, a file for each shard.
    """
    install(session, "core", extra=TEST_TOOLS)
    folder = ROOT / ".sweep"
    folder.mkdir(exist_ok=True)
    for shard in session.posargs or range(1, SHARDS + 1):
        report = folder / f"pairs-{shard}-of-{SHARDS}.xml"
        command = ("pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}")
        env = {"MONEL_SWEEP": f"{shard}/{SHARDS}"}
        session.run(*command, "packages/core/tests/test_pairs.py", env=env)


@nox.session
@nox.parametrize("package", NAMES)
def wheel(session: nox.Session, package: str) -> None:
    """One distribution's wheel: what is in it, and its own tests with nothing else of monel."""
    names = ("core",) if package == "core" else ("core", package)
    wheels = install(session, *names, extra=TEST_TOOLS)
    session.run("python", "tests/check_wheel.py", wheels[-1])
    pytest(session, f"packages/{package}/tests")


@nox.session
def api(session: nox.Session) -> None:
    """The public names and signatures beside those of MLX: what is missing or differs."""
    install(session, *STACK)
    session.run("python", "tests/api/compare.py")


@nox.session
def array_api(session: nox.Session) -> None:
    """The array API standard 2024.12: signatures, dtypes and results beside array-api-strict."""
    install(session, *STACK, extra=("array-api-strict>=2.4",))
    session.run("python", "tests/array_api/check.py", env={"MONEL_DEVICE": "cpu"})


@nox.session
def interop(session: nox.Session) -> None:
    """Conversion to and from PyTorch and JAX; exports run by XLA and onnxruntime."""
    install(session, *STACK, extra=(*TEST_TOOLS, *PEERS, *READERS))
    pytest(session, "tests/interop")


@nox.session
def differential(session: nox.Session) -> None:
    """Functions called by both mlx and monel. `-- sum linalg.qr --examples 500` chooses."""
    install(session, *STACK, extra=("mlx[cpu]==0.32.4",))
    env = {"MONEL_DEVICE": "cpu", "PYTHONPATH": "tests"}
    session.run("python", "-m", "differential", *session.posargs, env=env)


@nox.session
def files_differential(session: nox.Session) -> None:
    """Files of mlx read by monel, and files of monel by mlx: every format and dtype, metadata."""
    install(session, *STACK, extra=(*TEST_TOOLS, "mlx[cpu]==0.32.4"))
    pytest(session, "tests/interop/test_files_mlx.py")


# A GPU cannot raise: an index that leaves its array is moved to the edge. There is no float64.
ON_METAL = (
    *(
        f"packages/core/tests/test_{subject}.py"
        for subject in (
            *("reduce", "dot", "grad", "vmap", "indexing", "random", "scan", "sort", "combined"),
            *("creation", "attention", "interchange"),
        )
    ),
    *(f"packages/nn/tests/test_{subject}.py" for subject in ("training", "norm", "linear")),
)
NOT_ON_METAL = (
    *("-k", "not float64"),
    *(
        f"--deselect=packages/core/tests/test_indexing.py::{test}"
        for test in (
            "test_array_indices_are_checked_when_they_run",
            "test_a_failed_read_leaves_others_intact",
            "test_too_few_values_for_a_mask_are_an_error",
            "test_slices_that_leave_the_array_are_errors",
        )
    ),
)


@nox.session
def emulate(session: nox.Session) -> None:
    """Device metal on the emulator: its tests, the kit, and what core and nn can prove there.

    Needs clang 19.

    Arguments go to pytest, and take the place of the tests.
    """
    install(session, "core", "backend-metal", "io", "nn", extra=TEST_TOOLS)
    env = {"MONEL_DEVICE": "metal", "MONEL_METAL_EMULATE": "plain", "MONEL_PROBE": "0"}
    suite = session.posargs or ("packages/backend-metal/tests", *ON_METAL, *NOT_ON_METAL)
    limits = ("--timeout=600", "-p", "no:cacheprovider", "-m", "not slow")
    session.run("pytest", *limits, *suite, env={**env, "MONEL_FALLBACK": "silent"})


@nox.session
def metal(session: nox.Session) -> None:
    """On a Mac: every kernel through Apple's compiler, the whole suite on the GPU, a benchmark."""
    if sys.platform != "darwin":
        session.skip("needs macOS with Metal; nox -s emulate runs the same on an emulated device")
    tools = (*TEST_TOOLS, "pyobjc-framework-Metal")
    install(session, "core", "backend-metal", "io", "nn", extra=tools)
    env = {"MONEL_DEVICE": "metal"}
    session.run("python", "packages/backend-metal/tools/compile_all.py", env=env)
    suite = ("packages/backend-metal/tests", *ON_METAL, *NOT_ON_METAL)
    session.run("pytest", "--timeout=600", *suite, env=env)
    session.install("mlx")
    session.run("python", "packages/backend-metal/tools/bench.py", env=env)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz every reader for minutes, under limits. `-- gguf --seconds 600` chooses."""
    install(session, "core", "io", extra=("hypothesis",))
    # atheris has no wheel for each Python and platform; hypothesis goes on without it.
    session.run("python", "-m", "pip", "install", "--quiet", "atheris", success_codes=[0, 1])
    session.run("python", "packages/io/tests/fuzz_readers.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run the code of the tutorials and of the public docstrings."""
    install(session, *STACK, extra=TEST_TOOLS)
    pytest(session, "tests/test_docs.py", "tests/test_docstrings.py")


# -- sources ------------------------------------------------------------------------------------


def source_roots() -> list[str]:
    return [str(package.relative_to(ROOT) / "src") for package in PACKAGES]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install("ruff==0.17.5")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, on every distribution; what is generated from the sources is up to date."""
    session.install("mypy==2.4.1", "numpy", "pluggy", "ml-dtypes", "safetensors", "pytest", "rich")
    for tool in ("names", "stub"):
        made = (f"packages/core/tools/{tool}.py", "--check")
        session.run("python", *made, env={"PYTHONPATH": "packages/core/src"})
    session.run("mypy", *(session.posargs or source_roots()))


@nox.session
def imports(session: nox.Session) -> None:
    """The arrows between modules, from .importlinter."""
    session.install("import-linter==2.16", "numpy", "pluggy", "ml-dtypes")
    path = os.pathsep.join(str(ROOT / root) for root in source_roots())
    session.run("lint-imports", env={"PYTHONPATH": path})


@nox.session(python=False)
def size(session: nox.Session) -> None:
    """Lines by file and by distribution."""
    session.run("python", "benchmarks/size.py", *session.posargs, external=True)


# -- release ------------------------------------------------------------------------------------


@nox.session
def release(session: nox.Session) -> None:
    """Sdists and wheels of all distributions in `dist/`, checked, installed, and put to work.

    Wheels are built from the sdists, so a file that an sdist lacks is found. They are installed in
    an environment that holds nothing else, and the quickstart runs there.
    """
    session.install("build>=1.2", "twine>=6")
    made = ROOT / "dist"
    shutil.rmtree(made, ignore_errors=True)
    for package in PACKAGES:
        with copy_of(package, f"release-{package.name}") as copy:
            session.run("python", "-m", "build", "--outdir", str(made), str(copy))
    files = sorted(map(str, made.iterdir()))
    if len(files) != 2 * len(PACKAGES):
        session.error(f"expected an sdist and a wheel of {', '.join(NAMES)}, not {files}")
    session.run("python", "-m", "twine", "check", "--strict", *files)
    session.run("python", "tests/check_wheel.py", *files)
    install_and_try(session, [file for file in files if file.endswith(".whl")])


def install_and_try(session: nox.Session, wheels: list[str]) -> None:
    """Install `wheels` in an empty environment, and run the quickstart and `doctor` there."""
    place = Path(session.create_tmp()).resolve() / "empty"
    session.run("python", "-m", "venv", "--clear", str(place))
    folder, python = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    command = (str(place / folder / python), "-P")
    session.run(*command, "-m", "pip", "install", "--quiet", *wheels, *QUICKSTART, external=True)
    session.chdir(place)
    session.run(*command, str(ROOT / "examples" / "digits.py"), external=True)
    session.run(*command, "-m", "monel.core", "doctor", external=True)


# -- speed --------------------------------------------------------------------------------------


@nox.session
def bench(session: nox.Session) -> None:
    """monel beside mlx, torch, jax and numpy. `-- softmax matmul` chooses rows, `-- headline`."""
    install(session, *STACK, extra=("rich", "scikit-learn", "safetensors", "mlx[cpu]", *PEERS))
    session.run("python", "benchmarks/run.py", *session.posargs)
