package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

type signInRow struct {
	bun.BaseModel `bun:"table:sign_ins,alias:n"`

	ID        string `bun:",pk"`
	Kind      string
	Provider  string
	Address   string
	Browser   string
	Secret    string
	Nonce     string
	Next      string
	Every     int64
	AskAt     instant
	CreatedAt instant
	ExpiresAt instant
}

func (r *signInRow) flow() signin.Flow {
	return signin.Flow{
		ID: r.ID, Kind: signin.Kind(r.Kind), Provider: r.Provider, Address: r.Address, Browser: r.Browser,
		Secret: forge.Secret(r.Secret), Nonce: r.Nonce, Next: r.Next, Every: time.Duration(r.Every) * time.Microsecond,
		AskAt: r.AskAt.Time, CreatedAt: r.CreatedAt.Time, ExpiresAt: r.ExpiresAt.Time,
	}
}

// OpenFlow implements signin.Store. It clears what expired away.
func (s *Store) OpenFlow(ctx context.Context, f signin.Flow) error {
	row := &signInRow{
		ID: f.ID, Kind: string(f.Kind), Provider: text(f.Provider), Address: text(f.Address), Browser: f.Browser,
		Secret: text(f.Secret.Reveal()), Nonce: f.Nonce, Next: text(f.Next), Every: f.Every.Microseconds(),
		AskAt: at(f.AskAt), CreatedAt: at(f.CreatedAt), ExpiresAt: at(f.ExpiresAt),
	}
	err := s.InTx(ctx, func(t *Tx) error {
		if _, err := t.exec(ctx, t.tx.NewDelete().Model((*signInRow)(nil)).Where("expires_at <= ?", at(f.CreatedAt))); err != nil {
			return err
		}
		var open int
		if err := t.scan(ctx, t.tx.NewSelect().Model((*signInRow)(nil)).ColumnExpr("COUNT(*)").Where("address = ?", row.Address), &open); err != nil {
			return err
		}
		if open >= signin.MaxOpenOfAddress {
			return signin.ErrTooMany
		}
		if err := t.makeRoomForFlows(ctx); err != nil {
			return err
		}
		_, err := t.exec(ctx, t.tx.NewInsert().Model(row))
		return err
	})
	if err != nil {
		return fmt.Errorf("begin a sign-in: %w", err)
	}
	return nil
}

// makeRoomForFlows deletes the oldest flows over the bound: who has many
// addresses must neither fill the database nor keep others from signing in.
func (t *Tx) makeRoomForFlows(ctx context.Context) error {
	newest := t.tx.NewSelect().Model((*signInRow)(nil)).Column("id").OrderExpr("created_at DESC, id").Limit(signin.MaxOpen - 1)
	var all int
	if err := t.scan(ctx, t.tx.NewSelect().Model((*signInRow)(nil)).ColumnExpr("COUNT(*)"), &all); err != nil || all < signin.MaxOpen {
		return err
	}
	_, err := t.exec(ctx, t.tx.NewDelete().Model((*signInRow)(nil)).Where("id NOT IN (?)", newest))
	return err
}

// AskFlow implements signin.Store.
func (s *Store) AskFlow(ctx context.Context, id string, now time.Time) (f signin.Flow, ask bool, err error) {
	err = s.InTx(ctx, func(t *Tx) error {
		row, err := t.openFlow(ctx, id, now)
		if err != nil {
			return err
		}
		f = row.flow()
		if f.Kind != signin.Device {
			return signin.ErrGone
		}
		// Of two at once, the database lets one find the time as it was.
		n, err := t.exec(ctx, t.tx.NewUpdate().Model((*signInRow)(nil)).Set("ask_at = ?", at(now.Add(f.Every))).
			Where("id = ?", text(id)).Where("ask_at <= ?", at(now)))
		ask = n > 0
		return err
	})
	if err != nil {
		return signin.Flow{}, false, fmt.Errorf("look up a sign-in: %w", err)
	}
	return f, ask, nil
}

func (t *Tx) openFlow(ctx context.Context, id string, now time.Time) (*signInRow, error) {
	row := &signInRow{}
	err := t.scan(ctx, t.tx.NewSelect().Model(row).Where("id = ?", text(id)).Where("expires_at > ?", at(now)))
	if errors.Is(err, task.ErrNotFound) {
		return nil, signin.ErrGone
	}
	return row, err
}

// SlowFlow implements signin.Store.
func (s *Store) SlowFlow(ctx context.Context, f signin.Flow) error {
	err := s.InTx(ctx, func(t *Tx) error {
		_, err := t.exec(ctx, t.tx.NewUpdate().Model((*signInRow)(nil)).
			Set("every = ?", f.Every.Microseconds()).Set("ask_at = ?", at(f.AskAt)).Where("id = ?", text(f.ID)))
		return err
	})
	if err != nil {
		return fmt.Errorf("slow a sign-in down: %w", err)
	}
	return nil
}

// TakeFlow implements signin.Store.
func (s *Store) TakeFlow(ctx context.Context, id string, now time.Time) (f signin.Flow, err error) {
	err = s.InTx(ctx, func(t *Tx) error {
		row, err := t.openFlow(ctx, id, now)
		if err != nil {
			return err
		}
		f = row.flow()
		return t.endFlow(ctx, id)
	})
	if err != nil {
		return signin.Flow{}, fmt.Errorf("end a sign-in: %w", err)
	}
	return f, nil
}

// endFlow deletes a flow, or fails with signin.ErrGone if somebody else did.
func (t *Tx) endFlow(ctx context.Context, id string) error {
	n, err := t.exec(ctx, t.tx.NewDelete().Model((*signInRow)(nil)).Where("id = ?", text(id)))
	if err == nil && n == 0 {
		err = signin.ErrGone
	}
	return err
}

// SignIn implements signin.Store.
func (s *Store) SignIn(ctx context.Context, f signin.Flow, k token.Token, hash token.Hash) error {
	entry, err := audit.New(k.CreatedAt, k.Owner.String(), token.Created, map[string]any{
		"token": k.ID, "owner": k.Owner, "name": k.Name, "scope": k.Scope, "expiresAt": k.ExpiresAt,
		"signIn": map[string]any{"provider": f.Provider, "flow": f.Kind, "address": f.Address},
	})
	if err != nil {
		return err
	}
	err = s.InTx(ctx, func(t *Tx) error {
		if f.Kind == signin.Device { // a browser's was taken before
			if err := t.endFlow(ctx, f.ID); err != nil {
				return err
			}
		}
		if err := t.InsertToken(ctx, k, hash); err != nil {
			return err
		}
		return t.Audit(ctx, entry)
	})
	if err != nil {
		return fmt.Errorf("sign %s in: %w", k.Owner, err)
	}
	return nil
}
