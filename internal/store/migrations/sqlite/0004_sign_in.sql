-- Tokens that a sign-in made. Only with one of these can tokens be made that outlive it.
ALTER TABLE tokens ADD COLUMN sign_in INTEGER NOT NULL DEFAULT 0 CHECK (sign_in IN (0, 1));
CREATE INDEX tokens_by_owner ON tokens (owner, created_at);
