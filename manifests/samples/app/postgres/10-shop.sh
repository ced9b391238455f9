# Run once, by the image, in the new database: what the bot writes, and a role that may only look.
psql --username="${POSTGRES_USER:-postgres}" --dbname="$POSTGRES_DB" --no-psqlrc --quiet \
    --set=ON_ERROR_STOP=1 --set=bot="$BOT_PASSWORD" --set=monitor="$MONITOR_PASSWORD" <<'SQL'
create table messages (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    visitor text not null,
    outcome text not null
);
create index on messages (outcome);

create role bot login password :'bot';
grant select, insert on messages to bot;

create role monitor login password :'monitor';
grant pg_monitor to monitor;
grant select on messages to monitor;
SQL
