"""The private PostgreSQL, the runner of commands, and what the demo says when it cannot start."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

import demo
import environment
import postgres
import with_postgres

ROOT = Path(__file__).resolve().parent.parent
RUNNER = [sys.executable, str(ROOT / "tools" / "with_postgres.py")]
PRINT_URL = [sys.executable, "-c", "import os; print(os.environ['DATABASE_URL'])"]


@pytest.fixture
def folder(tmp_path):
    """Return a folder for data; as root it is one that the server's user cannot get to."""
    yield tmp_path
    postgres.remove_kept(tmp_path / "data")


@pytest.fixture
def no_server_given():
    """Return an environment that names no server, and a temporary folder of its own: in the common
    one whoever starts a server sweeps away what another has just left."""
    with tempfile.TemporaryDirectory(prefix="schoolmarks-own-", dir="/tmp") as parent:
        Path(parent).chmod(0o755)
        rest = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_", "PG"))}
        yield rest | {"TMPDIR": parent}


def start(folder):
    return postgres.kept(folder / "data", log=folder / "log")


def ask(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_the_serving_role_owns_nothing_and_the_owner_of_a_throwaway_may_create_databases():
    with postgres.throwaway() as server:
        rights = (
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb "
            "from pg_roles where rolname = current_user"
        )
        assert ask(server.serving_url, rights) == (False, False, False, False)
        assert ask(server.owner_url, rights) == (False, False, False, True)
        assert ask(
            server.serving_url,
            "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, lower('Ā') "
            "from pg_database where datname = current_database()",
        ) == ("schoolmarks_owner", "UTF8", "C", "ā")
        assert ask(server.serving_url, "show listen_addresses") == ("",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server.serving_url, "create table marks ()")


def test_two_throwaways_at_once_are_two_and_leave_nothing():
    with postgres.throwaway() as one, postgres.throwaway() as other:
        assert one.owner_url != other.owner_url
        folders = [
            Path(psycopg.conninfo.conninfo_to_dict(s.owner_url)["host"]) for s in (one, other)
        ]
        assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    assert not any(folder.exists() for folder in folders)
    assert not alive(one.pid)


def test_a_second_start_goes_on_with_the_data(folder):
    with start(folder) as server, psycopg.connect(server.owner_url) as connection:
        connection.execute("create table marks as select 70 as grade")
    with start(folder) as server:
        assert ask(server.owner_url, "select grade from marks") == (70,)
        assert ask(server.owner_url, "show fsync") == ("on",)


def test_after_a_kill_the_next_start_recovers(folder):
    with start(folder) as server:
        with psycopg.connect(server.owner_url) as connection:
            connection.execute("create table marks as select 70 as grade")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not alive(server.pid))
    # By now the number may be somebody else's: it must not be taken for a running server.
    pid_file = folder / "data" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(server.pid), str(os.getpid()), 1))
    with start(folder) as server:
        assert ask(server.owner_url, "select grade from marks") == (70,)


def test_a_folder_in_use_is_refused(folder, monkeypatch):
    monkeypatch.setattr(postgres, "PATIENCE", 0)
    refused = pytest.raises(postgres.PostgresUnavailable, match="stop it first")
    with start(folder), refused, start(folder):
        pass


def test_a_folder_of_another_version_is_refused_with_what_to_do(folder):
    with start(folder):
        pass
    (folder / "data" / "PG_VERSION").write_text("13\n")
    with pytest.raises(postgres.PostgresUnavailable) as refusal, start(folder):
        pass
    assert "was made by PostgreSQL 13 and the server here is PostgreSQL " in str(refusal.value)
    assert "make demo-reset" in str(refusal.value)


def test_an_interrupted_making_of_the_folder_is_begun_again(folder):
    (folder / "data.unfinished" / "base").mkdir(parents=True)
    with start(folder) as server:
        assert ask(server.serving_url, "select 1") == (1,)


def test_a_long_path_and_an_open_one_work():
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "Ōtāhuhu " + "x" * 150)
        folder.mkdir(mode=0o755)
        Path(parent).chmod(0o755)
        with start(folder) as server:
            assert ask(server.serving_url, "select 1") == (1,)
        assert (folder / "data" / "PG_VERSION").exists()
        assert not (folder / "data").is_symlink()


def test_programs_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PG_BINDIR", str(tmp_path))
    with pytest.raises(postgres.PostgresUnavailable, match="set PG_BINDIR"), postgres.throwaway():
        pass


def test_the_runner_passes_on_the_exit_code_and_both_urls(no_server_given):
    check = "import os; os._exit(7 * ('schoolmarks_owner@' in os.environ['DATABASE_OWNER_URL']))"
    command = [*RUNNER, sys.executable, "-c", check]
    done = subprocess.run(command, env=no_server_given, check=False)
    assert done.returncode == 7


def test_the_runner_killed_leaves_no_server_and_the_next_one_sweeps(no_server_given):
    command = [
        sys.executable,
        "-c",
        "import os, time; print(os.environ['DATABASE_URL'], flush=True); time.sleep(99)",
    ]
    with subprocess.Popen(
        [*RUNNER, *command], env=no_server_given, stdout=subprocess.PIPE, text=True
    ) as runner:
        left = Path(psycopg.conninfo.conninfo_to_dict(runner.stdout.readline())["host"])
        server = int((left / "data" / "postmaster.pid").read_text().split()[0])
        runner.kill()
    wait_until(lambda: not alive(server))
    assert left.exists()
    subprocess.run([*RUNNER, "true"], env=no_server_given, check=True)
    wait_until(lambda: not left.exists())


def test_the_runner_ended_gently_leaves_nothing(no_server_given):
    command = [
        sys.executable,
        "-c",
        "import os, time; print(os.environ['DATABASE_URL'], flush=True); time.sleep(99)",
    ]
    with subprocess.Popen(
        [*RUNNER, *command], env=no_server_given, stdout=subprocess.PIPE, text=True
    ) as runner:
        left = Path(psycopg.conninfo.conninfo_to_dict(runner.stdout.readline())["host"])
        runner.terminate()
    assert runner.returncode == 128 + signal.SIGTERM
    assert not left.exists()


def test_a_server_that_is_named_is_used_and_none_is_started(no_server_given):
    with postgres.throwaway() as server:
        urls = {"DATABASE_URL": server.serving_url, "DATABASE_OWNER_URL": server.owner_url}
        told = subprocess.check_output([*RUNNER, *PRINT_URL], env=no_server_given | urls, text=True)
        assert told.strip() == server.serving_url
        del urls["DATABASE_OWNER_URL"]
        warned = subprocess.run(
            [*RUNNER, "true"],
            env=no_server_given | urls,
            check=True,
            capture_output=True,
            text=True,
        )
        assert "DATABASE_OWNER_URL is not set" in warned.stderr


@pytest.mark.parametrize(
    ("urls", "sentence"),
    [
        (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"},
            "The server of DATABASE_URL does not answer",
        ),
        ({"DATABASE_OWNER_URL": "postgresql://nobody@127.0.0.1:1/x"}, "set both, or neither"),
    ],
)
def test_a_server_that_does_not_fit_is_refused(urls, sentence):
    with pytest.raises(postgres.PostgresUnavailable, match=sentence):
        with_postgres.given_server(urls)


def test_a_taken_port_and_no_port_are_said():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        demo.refuse_taken(port)  # nobody listens there yet
        listener.listen()
        with pytest.raises(demo.DemoRefused, match=f"Port {port} is taken .* PORT={port + 1}"):
            demo.refuse_taken(port)
    for text in ("", "http", "0", "70000", "-1"):
        with pytest.raises(demo.DemoRefused, match="no port number"):
            demo.port_number(text)


def test_a_second_demo_is_told_of_the_first(monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    refused = pytest.raises(demo.DemoRefused, match=r"http://127\.0\.0\.1:8123")
    with demo.only_one(8123), refused, demo.only_one(8124):
        pass
    with demo.only_one(8124):
        pass


def test_the_demo_keeps_one_secret_key_to_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    assert demo.secret_key() == demo.secret_key()
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "  error: command 'gcc' failed: No such file or directory: 'gcc'\n",
            "there is no C compiler",
        ),
        (
            "Collecting x\nERROR: No matching distribution found for x==1\n",
            r"\(ERROR: No matching .*\)",
        ),
        ("", "no reason was given"),
    ],
)
def test_a_failed_installation_is_one_sentence(output, sentence):
    assert re.search(sentence, environment.explain(output))
    assert "\n" not in environment.explain(output)


def test_a_python_without_ensurepip_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(environment.NoEnvironment, match="apt-get install python3-venv"):
        environment.update()


def test_an_environment_that_is_up_to_date_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    wanted = hashlib.sha256(environment.REQUIREMENTS.read_bytes()).hexdigest()
    (tmp_path / "stamp").write_text(wanted)
    monkeypatch.setattr(environment, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setattr(environment, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(environment, "run", lambda command: pytest.fail(str(command)))
    environment.update()
