#!/bin/sh
# Run once by the image of PostgreSQL, when it has made its database: makes the role that instances log in as.
# `splitcart migrate --grant-to` gives it its rights.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<EOT
\set password \`cat /run/secrets/serving_password\`
create role splitcart_serving login password :'password';
revoke temporary on database "$POSTGRES_DB" from public;
EOT
