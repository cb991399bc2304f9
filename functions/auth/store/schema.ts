/** The tables. */
import type { Migration } from '@bramble/runtime/service/database'

/** Times are milliseconds since 1970; lists are JSON. Of secrets there are hashes, or texts sealed with `auth-key`. */
export const migrations: readonly Migration[] = [{
  id: '0001-people',
  sql: `
    CREATE TABLE users (
      id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, email_verified_at INTEGER, name TEXT NOT NULL, password_hash TEXT NOT NULL,
      roles TEXT NOT NULL, created_at INTEGER NOT NULL, version INTEGER NOT NULL, disabled_at INTEGER,
      totp_secret TEXT, totp_confirmed_at INTEGER, totp_last_step INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE recovery_codes (user_id TEXT NOT NULL, mac TEXT NOT NULL, PRIMARY KEY (user_id, mac)) WITHOUT ROWID;
    CREATE TABLE sessions (
      id TEXT PRIMARY KEY, user_id TEXT NOT NULL, client_id TEXT, scope TEXT NOT NULL, amr TEXT NOT NULL, auth_at INTEGER NOT NULL,
      created_at INTEGER NOT NULL, used_at INTEGER NOT NULL, idle_expires_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
      address TEXT NOT NULL, user_agent TEXT NOT NULL, generation INTEGER NOT NULL, salt TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
    CREATE TABLE mail_tokens (hash TEXT PRIMARY KEY, user_id TEXT NOT NULL, purpose TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX mail_tokens_by_user ON mail_tokens (user_id);
    CREATE TABLE outbox (
      id TEXT PRIMARY KEY, letter TEXT NOT NULL, created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE api_keys (
      id TEXT PRIMARY KEY, user_id TEXT NOT NULL, name TEXT NOT NULL, secret_hash TEXT NOT NULL, roles TEXT NOT NULL,
      created_at INTEGER NOT NULL, expires_at INTEGER, used_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX api_keys_by_user ON api_keys (user_id);
    CREATE TABLE attempts (
      key TEXT PRIMARY KEY, failures INTEGER NOT NULL, last_at INTEGER NOT NULL, blocked_until INTEGER NOT NULL, forget_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE audit (
      id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, event TEXT NOT NULL, user_id TEXT, address TEXT NOT NULL,
      user_agent TEXT NOT NULL, call_id TEXT NOT NULL, detail TEXT NOT NULL
    );
    CREATE INDEX audit_by_user ON audit (user_id, id);
    CREATE TABLE signing_keys (
      generation INTEGER PRIMARY KEY, kid TEXT NOT NULL, public_jwk TEXT NOT NULL, sealed_jwk TEXT NOT NULL, active_from INTEGER NOT NULL
    );
    CREATE TABLE admin_secret (id INTEGER PRIMARY KEY CHECK (id = 1), mac TEXT NOT NULL);
    CREATE TABLE clients (
      id TEXT PRIMARY KEY, name TEXT NOT NULL, secret_hash TEXT, redirect_uris TEXT NOT NULL, grants TEXT NOT NULL, scopes TEXT NOT NULL,
      roles TEXT NOT NULL, created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE codes (
      hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, redirect_uri TEXT NOT NULL, challenge TEXT NOT NULL, scope TEXT NOT NULL,
      nonce TEXT, amr TEXT NOT NULL, auth_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, session_id TEXT
    ) WITHOUT ROWID;
    CREATE TABLE revoked_tokens (jti TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE kept_answers (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, answer TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
  `,
}]
