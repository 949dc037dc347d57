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

# The roles come first, for pg_dump has none and its archive names them: as owners, and in what is granted. pg_dumpall
# would have them too, but as statements that change the roles which are there. Passwords are left where they are.
_POSTGRES_DUMP = r"""
export PGUSER="$1" PGDATABASE="$2"
echo roles
PGCLIENTENCODING=UTF8 PGDATESTYLE=ISO psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --no-password <<'SQL'
COPY (
    SELECT 1 AS step, rolname AS role, NULL AS member, rolcanlogin AS login,
        format('CREATE ROLE %I ', rolname) || concat_ws(' ',
            CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN NOT rolinherit THEN 'NOINHERIT' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
            'CONNECTION LIMIT ' || rolconnlimit, 'VALID UNTIL ' || quote_literal(rolvaliduntil))
    FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'
    UNION ALL
    -- How a member has a role is told since PostgreSQL 16.
    SELECT 2, of.rolname, member.rolname, false,
        format('GRANT %I TO %I', of.rolname, member.rolname) || coalesce(' WITH ' || nullif(concat_ws(', ',
            CASE WHEN admin_option THEN 'ADMIN OPTION' END,
            'INHERIT ' || (to_jsonb(has) ->> 'inherit_option'), 'SET ' || (to_jsonb(has) ->> 'set_option')), ''), '')
    FROM pg_catalog.pg_auth_members AS has
    JOIN pg_catalog.pg_roles AS of ON of.oid = roleid JOIN pg_catalog.pg_roles AS member ON member.oid = has.member
    WHERE member.rolname !~ '^pg_'
    UNION ALL
    -- The settings that are lists are kept as they are written, all others bare.
    SELECT 3, rolname, NULL, false, format('ALTER ROLE %I SET %I TO ', rolname, name) || CASE
        WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
        THEN replace(value, '""', '''''') ELSE quote_literal(value) END
    FROM pg_catalog.pg_roles, unnest(rolconfig) AS line,
        LATERAL (SELECT split_part(line, '=', 1) AS name, substr(line, strpos(line, '=') + 1) AS value) AS pair
    ORDER BY step
) TO STDOUT;
SQL
printf '%s\n' '\.'
exec pg_dump --format=custom --no-password
"""

# The roles that are there stay as they are. One that is made has no password, so who may log in is told: at the end,
# and also when the rest fails, for the next time the role will be there. A server that is thrown away tells nobody.
# Who is no superuser restores what he owns, which may need no other role; if it does, pg_restore says so.
_POSTGRES_RESTORE = r"""
export PGUSER="$1" PGDATABASE="$2"
place=$3
[ -z "$place" ] || export PGHOST="$place"
shift 3
set -- --dbname="$PGDATABASE" --no-password --exit-on-error "$@"
# Backups were the archive alone once, of a database whose roles nobody knows.
if [ "$(dd bs=1 count=5 2>/dev/null)" = PGDMP ]; then
    { printf PGDMP; exec cat; } | pg_restore --no-owner ${place:+--no-privileges} "$@"
    exit
fi
# The shell reads no byte too many, so the archive is next.
made=$({
    cat <<'SQL'
CREATE TEMPORARY TABLE wanted (step int, role text, member text, login boolean, sql text);
COPY wanted FROM STDIN;
SQL
    read -r rest_of_the_first
    line=
    until [ "$line" = '\.' ]; do
        IFS= read -r line
        printf '%s\n' "$line"
    done
    cat <<'SQL'
DELETE FROM wanted WHERE role IN (SELECT rolname FROM pg_catalog.pg_roles)
    AND (member IS NULL OR member IN (SELECT rolname FROM pg_catalog.pg_roles));
SELECT sql FROM wanted WHERE current_setting('is_superuser') = 'on' ORDER BY step \gexec
SELECT CASE current_setting('is_superuser') WHEN 'on' THEN 'roles made without a password: '
    ELSE 'roles that are missing, which only a superuser could make: ' END || string_agg(role, ', ' ORDER BY role)
    FROM wanted WHERE login OR step = 1 AND current_setting('is_superuser') = 'off' HAVING count(*) > 0;
SQL
} | PGCLIENTENCODING=UTF8 psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --no-password --tuples-only --no-align \
    --single-transaction --file=-)
if [ -n "$made" ] && [ -z "$place" ]; then
    printf '%s\n' "$made"
    printf '%s\n' "$made" >&2
fi
exec pg_restore "$@"
"""


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
    return [*inside, "sh", "-euc", _POSTGRES_DUMP, "flotilla", str(job.options["user"]), str(job.options["database"])]


def undump(user: str, database: str, *words: str, place: str = "") -> list[str]:
    """The command that is fed a dump of PostgreSQL: it makes the roles that the server lacks, and restores the rest.

    Args:
        user, database: as whom and to what it connects.
        words: more arguments of pg_restore.
        place: the directory with the socket of a server that is thrown away; empty is the one that the service runs.
    """
    return ["sh", "-euc", _POSTGRES_RESTORE, "flotilla", user, database, place, *words]
