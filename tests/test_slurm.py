"""docs/cluster.md's scripts, as they are written there, on a Slurm of one node on this machine.

Debian and Ubuntu have all that is needed: `apt-get install slurm-wlm munge`; and the second script
needs `pip install -e '.[slurm]'`.
"""

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from tiny_study import ALL_RUN, STUDY

from rag_study.common.paths import PROJECT_ROOT

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "sinfo")
# Where Debian has what only administrators start.
PATH = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"], "/usr/sbin", "/sbin"])
MISSING = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
LONGEST_S = 1800
# A node that says to have what the page's scripts ask for: 32 processors, 256 GB, GPUs.
CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MpiDefault=none
SchedulerParameters=bf_interval=1,sched_interval=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=400000 Gres=gpu:8 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"no Slurm on this machine: {', '.join(MISSING)}"),
]


def free_ports(number):
    with contextlib.ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def slurm():
    """A Slurm of one node; returns the environment in which its commands find it."""
    with contextlib.ExitStack() as afterwards:
        # Short, for the socket, and without pytest's rights, which munge does not like.
        folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        afterwards.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("state", "spool", "gpus"):
            (folder / name).mkdir()
        for number in range(8):
            (folder / "gpus" / str(number)).touch()
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_bytes(os.urandom(128))
        host = socket.gethostname().partition(".")[0]
        about = {"host": host, "user": getpass.getuser(), "folder": folder}
        written = CONFIGURATION.format(**about, ports=free_ports(2))
        (folder / "slurm.conf").write_text(written, encoding="utf-8")
        gpus = f"NodeName={host} Name=gpu File={folder}/gpus/[0-7]\n"
        (folder / "gres.conf").write_text(gpus, encoding="utf-8")
        environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        munge = [f"--{name}={folder}/{name}" for name in ("pid-file", "seed-file")]
        munge = [*munge, f"--key-file={folder}/key", f"--socket={folder}/munge.socket"]

        def start(*command):
            log = afterwards.enter_context((folder / f"{command[0]}.log").open("wb"))
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            afterwards.callback(process.wait, 60)
            afterwards.callback(process.terminate)

        start("munged", "--foreground", "--force", f"--log-file={folder}/munge.log", *munge)
        start("slurmctld", "-D")
        start("slurmd", "-D")
        cancel = ["scancel", f"--user={getpass.getuser()}"]
        afterwards.callback(subprocess.run, cancel, env=environment, timeout=60)
        end = time.monotonic() + 60
        ask = ["sinfo", "--noheader", "--format=%T"]
        while time.monotonic() < end:
            state = subprocess.run(ask, env=environment, capture_output=True, text=True).stdout
            if state.strip() == "idle":
                break
            time.sleep(0.5)
        else:
            logs = "\n".join(file.read_text(errors="replace") for file in folder.glob("*.log"))
            pytest.fail(f"Slurm did not start: {state}\n{logs}")
        yield environment


@pytest.fixture
def scripts(tmp_path, own_data):
    """The scripts of the page by what they begin with, with a study and folders of this machine."""
    own_data.rename(tmp_path / "dáta")
    study = tmp_path / "paper.yaml"
    study.write_text(STUDY, encoding="utf-8")
    page = (PROJECT_ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|python)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)

    def take(beginning):
        [script] = [block for block in blocks if block.startswith(beginning)]
        assert "params/paper.yaml" in script
        script = script.replace("params/paper.yaml", str(study))
        # So small a study cannot have a verdict.
        script = script.replace('"--keep-going"', '"--keep-going", "--anyway"')
        script = script.replace("--keep-going\n", "--keep-going --anyway\n")
        return script.replace("/shared/", f"{tmp_path}/")

    return take


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Both scripts write here: what the first has done, the second does not do again."""
    return tmp_path_factory.mktemp("slurm") / "outputs"


@pytest.fixture
def run(slurm, outputs, tmp_path):
    """Run a command in a folder of the test as people would, and return what it printed."""
    environment = {**slurm, "PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), *sys.path])}
    environment |= {"RAG_STUDY_OUTPUTS": str(outputs)}

    def run(*command):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, timeout=LONGEST_S, encoding="utf-8", **how
        )
        printed = [file.read_text(encoding="utf-8") for file in tmp_path.glob("slurm-*.out")]
        told = "\n".join([done.stdout, *printed])
        assert done.returncode == 0, told
        assert left_over(tmp_path) == []
        return told

    return run


def left_over(folder):
    """Command lines of processes that a script in this folder has left running."""
    end = time.monotonic() + 30
    while True:
        lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        found = [line for line in lines if str(folder) in line]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def test_the_batch_script(run, scripts, outputs, tmp_path):
    script = tmp_path / "job.sh"
    text = scripts("#!/bin/bash\n#SBATCH").replace(f"{tmp_path}/outputs", str(outputs))
    script.write_text(text, encoding="utf-8")
    told = run("sbatch", "--wait", str(script))
    assert ALL_RUN in told
    assert len(set(re.findall(r"Start worker at: +(\S+)", told))) == 4
    assert (outputs / "anywhere" / "report.html").exists()


def test_workers_that_come_and_go_with_the_queue(slurm, run, scripts, outputs, tmp_path):
    pytest.importorskip("dask_jobqueue", reason="pip install -e '.[slurm]'")
    for stage in ("judge_answers", "compare"):
        shutil.rmtree(outputs / "runs" / stage, ignore_errors=True)
    script = tmp_path / "come_and_go.py"
    script.write_text(scripts("import subprocess"), encoding="utf-8")
    told = run(sys.executable, str(script))
    assert "0 failed, 0 blocked" in told
    assert "0 run" not in told
    waiting = ["squeue", "--noheader", "--states=PENDING,RUNNING"]
    assert subprocess.run(waiting, env=slurm, capture_output=True).stdout == b""
