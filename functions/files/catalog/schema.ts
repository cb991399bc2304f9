/** The tables. */
import type { Migration } from '@bramble/runtime/service/database'

/**
 * Times are milliseconds since 1970; `metadata` and `tags` are JSON. A file in the trash has a `deleted_at`. `received` bytes of an
 * upload are synced; its `hash` is there before its part is renamed to it, its `file_id` when it is a file. `header` is Upload-Metadata as it came.
 */
export const migrations: readonly Migration[] = [{
  id: '0001-files',
  sql: `
    CREATE TABLE owners (owner TEXT PRIMARY KEY, used_bytes INTEGER NOT NULL DEFAULT 0, quota_bytes INTEGER) WITHOUT ROWID;
    CREATE TABLE files (
      id TEXT PRIMARY KEY, owner TEXT NOT NULL, path TEXT NOT NULL, revision INTEGER NOT NULL, version INTEGER NOT NULL,
      metadata TEXT NOT NULL, tags TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX files_by_path ON files (owner, path) WHERE deleted_at IS NULL;
    CREATE INDEX files_in_trash ON files (owner, id) WHERE deleted_at IS NOT NULL;
    CREATE TABLE versions (
      file_id TEXT NOT NULL, version INTEGER NOT NULL, write_id TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL,
      content_type TEXT NOT NULL, created_at INTEGER NOT NULL, thumbnail_hash TEXT, thumbnail_size INTEGER, thumbnail_type TEXT,
      PRIMARY KEY (file_id, version)
    ) WITHOUT ROWID;
    CREATE INDEX versions_by_hash ON versions (hash);
    CREATE INDEX versions_by_thumbnail ON versions (thumbnail_hash) WHERE thumbnail_hash IS NOT NULL;
    CREATE TABLE uploads (
      id TEXT PRIMARY KEY, owner TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, parts TEXT NOT NULL, header TEXT NOT NULL,
      length INTEGER, received INTEGER NOT NULL, hash TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, file_id TEXT
    ) WITHOUT ROWID;
    CREATE INDEX uploads_by_owner ON uploads (owner);
    CREATE INDEX uploads_by_end ON uploads (expires_at);
    CREATE TABLE hooks (
      id TEXT PRIMARY KEY, file_id TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, tries INTEGER NOT NULL, due_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
}]
