# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of databases, and the commands that have them say everything they hold."""

from __future__ import annotations

from .._core.backup import jobs
from .._core.backup.jobs import Job
from .._engine.client import Json
from .._engine.local import LocalEngine
from .._host.errors import HostError

# Speaks to the server in a Redis container. The password goes over standard input, and no other process sees it.
REDIS_ASK = r"""
file=$1
ask() {
    {
        if [ -n "$file" ]; then
            printf 'AUTH "'
            sed 's/[\\"]/\\&/g' "$file" | tr -d '\n'
            printf '"\n'
        fi
        printf '%s\n' "$1"
    } | redis-cli
}
last() { ask "$1" | tail -n 1 | tr -d '\r'; }
"""

# A save of its own, so that nothing older is taken; another that is under way is waited for.
_REDIS_DUMP = (
    REDIS_ASK
    + r"""
tries=0
until ask BGSAVE | grep -q 'Background saving started'; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || { echo 'redis does not begin to save; its log says why' >&2; exit 1; }
    sleep 1
done
tries=0
until ask 'INFO persistence' | tr -d '\r' | grep -qx 'rdb_bgsave_in_progress:0'; do
    tries=$((tries + 1))
    [ "$tries" -lt 3600 ] || { echo 'redis has not saved within an hour' >&2; exit 1; }
    sleep 1
done
ask 'INFO persistence' | tr -d '\r' | grep -qx 'rdb_last_bgsave_status:ok' || {
    echo 'redis could not save; its log says why' >&2
    exit 1
}
exec cat "$(last 'CONFIG GET dir')/$(last 'CONFIG GET dbfilename')"
"""
)


def container(engine: LocalEngine, service: str) -> Json:
    """A running container of a service on this node, as the engine lists it.

    Raises:
        HostError: none runs here.
    """
    found = engine.containers(label="com.docker.swarm.service.name=%s" % service)
    if not found:
        raise HostError("no task of %s runs on this node" % service)
    return found[0]


def filename(job: Job) -> str:
    """How the file of a database's snapshot is called."""
    return "/%s.%s" % (job.name, "dump" if job.kind == jobs.POSTGRES else "rdb")


def dump(job: Job, container_id: str) -> list[str]:
    """The command that prints all that the database holds."""
    inside = ["docker", "exec", container_id]
    if job.kind == jobs.REDIS:
        return [*inside, "sh", "-euc", _REDIS_DUMP, "flotilla", str(job.options["password_file"])]
    user, database = str(job.options["user"]), str(job.options["database"])
    return [*inside, "pg_dump", "--format=custom", "--username=%s" % user, "--no-password", "--dbname=%s" % database]
