#!/bin/sh
# Makes the two roles and the database, when the PostgreSQL of docker-compose.yml starts for the
# first time. One role owns the tables and migrates; one serves, owns nothing and is held by
# row-level security. Runs as the server's superuser, over its socket.
set -eu

psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
  --set=owner_password="${OWNER_PASSWORD:?is not set}" \
  --set=serving_password="${SERVING_PASSWORD:?is not set}" <<'SQL'
create role schoolmarks_owner login nosuperuser nocreatedb nocreaterole nobypassrls
  password :'owner_password';
create role schoolmarks login nosuperuser nocreatedb nocreaterole nobypassrls
  password :'serving_password';
create database schoolmarks owner schoolmarks_owner;
revoke all on database schoolmarks from public;
grant connect on database schoolmarks to schoolmarks;
SQL
