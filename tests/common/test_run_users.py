import subprocess
import sys

import pytest

from rag_study.common import run_users
from rag_study.common.errors import StudyError

USER = """
import sys
from rag_study.common import run_users
with run_users.using(["nap/one", "nap/two"], "a study elsewhere"):
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def user(outputs):
    """Another process that uses two runs."""
    command = [sys.executable, "-c", USER]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()


def test_a_run_that_somebody_uses_is_left_alone(user):
    assert set(run_users.users()) == {"nap/one", "nap/two"}
    with (
        pytest.raises(StudyError, match=f"nap/two is in use by a study .*process {user.pid}"),
        run_users.undisturbed(["nap/three", "nap/two"]),
    ):
        raise AssertionError("nobody may come here")
    with run_users.undisturbed(["nap/three"]):
        pass


@pytest.mark.parametrize("end", ["ends", "is killed"])
def test_a_process_that_has_ended_uses_nothing(user, outputs, end):
    if end == "ends":
        user.stdin.close()
    else:
        user.kill()
    user.wait()
    with run_users.undisturbed(["nap/one"]):
        assert run_users.users() == {}
    assert not list((outputs / ".users").glob("*.json"))


def test_a_process_does_not_stand_in_its_own_way(outputs):
    with run_users.using(["nap/one"], "this test"), run_users.undisturbed(["nap/one"]):
        assert run_users.users() == {}
    assert not list((outputs / ".users").glob("*.json"))
