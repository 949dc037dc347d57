#!/bin/sh
# Make the cluster on the first start, then run the server. Understands the official image's variables:
#   POSTGRES_PASSWORD_FILE (required on the first start), POSTGRES_USER (postgres), POSTGRES_DB (the user's name), PGDATA.
# The password travels by file name only: never an argument, never the environment.
set -eu

user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"

fail() {
    echo "postgres: $*" >&2
    exit 1
}

# A cluster is built in a subdirectory and moved up, PG_VERSION last: whoever finds PG_VERSION finds a whole cluster,
# however often the first start was interrupted.
first_start() {
    new="$PGDATA/.first-start"
    if [ -e "$new" ]; then
        echo "postgres: an earlier first start was interrupted; starting over"
        find "$PGDATA" -mindepth 1 -delete
    elif [ -n "$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found)" ]; then
        fail "$PGDATA holds something that is no PostgreSQL cluster; not touching it"
    fi
    [ -r "${POSTGRES_PASSWORD_FILE:-}" ] || fail "POSTGRES_PASSWORD_FILE names no readable file"
    [ -s "$POSTGRES_PASSWORD_FILE" ] || fail "$POSTGRES_PASSWORD_FILE is empty"

    initdb --pgdata="$new" --username="$user" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-instructions
    echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf"
    if [ "$database" != postgres ]; then
        # Single-user mode: nobody can connect before the cluster is complete.
        echo "CREATE DATABASE \"$database\"" | postgres --single -D "$new" template1 > /dev/null
    fi
    for entry in "$new"/*; do
        [ "${entry##*/}" = PG_VERSION ] || mv "$entry" "$PGDATA/"
    done
    mv "$new/PG_VERSION" "$PGDATA/"
    rmdir "$new"
}

if [ "${1:-}" != postgres ]; then
    exec "$@"
fi
[ -s "$PGDATA/PG_VERSION" ] || first_start
shift
exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"
