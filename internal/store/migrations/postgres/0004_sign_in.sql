-- Tokens that a sign-in made. Only with one of these can tokens be made that outlive it.
ALTER TABLE tokens ADD COLUMN sign_in BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX tokens_by_owner ON tokens (owner, created_at);
