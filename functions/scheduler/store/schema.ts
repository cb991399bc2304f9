/** The tables. */
import type { Migration } from '@bramble/runtime/service/database'

/**
 * Times are milliseconds since 1970 by the clock of the data service, the only one that all replicas share. `owner` and `replicas`
 * are the leases: `beat` says that a replica is alive, and no clock is part of that (see work/lease.ts).
 */
export const migrations: readonly Migration[] = [{
  id: '0001-jobs',
  sql: `
    CREATE TABLE queues (
      name TEXT PRIMARY KEY, concurrency INTEGER NOT NULL, rate_count INTEGER, rate_period_ms INTEGER, rate_next REAL NOT NULL DEFAULT 0,
      paused INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 1
    ) WITHOUT ROWID;
    CREATE TABLE jobs (
      id TEXT PRIMARY KEY, name TEXT NOT NULL, queue TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL, unique_key TEXT,
      spec TEXT NOT NULL, cron TEXT, planned_at INTEGER, next_at INTEGER, if_fails TEXT NOT NULL, skipped INTEGER NOT NULL DEFAULT 0,
      created_at INTEGER NOT NULL, ended_at INTEGER, version INTEGER NOT NULL DEFAULT 1
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX jobs_by_key ON jobs (queue, unique_key) WHERE unique_key IS NOT NULL AND state IN ('active', 'paused');
    CREATE INDEX jobs_by_time ON jobs (next_at) WHERE next_at IS NOT NULL;
    CREATE INDEX jobs_over ON jobs (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE dependencies (job_id TEXT NOT NULL, on_job TEXT NOT NULL, PRIMARY KEY (job_id, on_job)) WITHOUT ROWID;
    CREATE INDEX dependencies_on ON dependencies (on_job);
    CREATE TABLE runs (
      id TEXT PRIMARY KEY, job_id TEXT NOT NULL, kind TEXT NOT NULL, queue TEXT NOT NULL, priority INTEGER NOT NULL, serial_key TEXT,
      state TEXT NOT NULL, due_at INTEGER NOT NULL, next_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
      lapses INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0, owner TEXT, claim TEXT, cancel INTEGER NOT NULL DEFAULT 0,
      started_at INTEGER, ended_at INTEGER, status INTEGER, result TEXT, error TEXT, body TEXT, log TEXT NOT NULL DEFAULT '[]'
    ) WITHOUT ROWID;
    CREATE INDEX runs_by_job ON runs (job_id, due_at);
    CREATE INDEX runs_queued ON runs (queue, priority DESC, next_at, id) WHERE state = 'queued';
    CREATE INDEX runs_by_time ON runs (next_at) WHERE state = 'queued';
    CREATE INDEX runs_running ON runs (queue) WHERE state = 'running';
    CREATE INDEX runs_serial ON runs (serial_key) WHERE state IN ('queued', 'running') AND serial_key IS NOT NULL;
    CREATE INDEX runs_over ON runs (state, ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE replicas (owner TEXT PRIMARY KEY, beat INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters (name, value) VALUES ('fence', 0);
    CREATE TABLE kept_answers (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
  `,
}]
