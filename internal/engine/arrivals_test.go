package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// desk is a database whose transactions end when it is told so.
type desk struct {
	a      *arrivals[Delivery]
	let    chan error // ends one transaction
	mu     sync.Mutex
	stored [][]string
}

func newDesk() *desk {
	d := &desk{a: &arrivals[Delivery]{}, let: make(chan error)}
	d.a.store = func(ctx context.Context, all []Delivery) error {
		var ids []string
		for _, one := range all {
			if one.ID == "poison" {
				return errors.New("cannot be written")
			}
			ids = append(ids, one.ID)
		}
		select {
		case err := <-d.let:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stored = append(d.stored, ids)
		return nil
	}
	return d
}

// bring has deliveries come one after another, and returns where their outcomes will be.
func (d *desk) bring(ctx context.Context, ids ...string) []chan error {
	var all []chan error
	for _, id := range ids {
		outcome := make(chan error, 1)
		go func() { outcome <- d.a.keep(ctx, Delivery{ID: id}) }()
		synctest.Wait()
		all = append(all, outcome)
	}
	return all
}

func TestDeliveriesThatComeDuringATransactionShareTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		outcomes := d.bring(t.Context(), "a", "b", "c", "d")
		d.let <- nil
		d.let <- nil
		for _, o := range outcomes {
			if err := <-o; err != nil {
				t.Error(err)
			}
		}
		if got := fmt.Sprint(d.stored); got != "[[a] [b c d]]" {
			t.Errorf("the transactions were %s", got)
		}
	})
}

func TestADeliveryThatCannotBeWrittenFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		outcomes := d.bring(t.Context(), "a", "b", "poison", "c")
		for range 3 {
			d.let <- nil
		}
		for i, o := range outcomes {
			if err := <-o; (err != nil) != (i == 2) {
				t.Errorf("delivery %d: %v", i, err)
			}
		}
		if got := fmt.Sprint(d.stored); got != "[[a] [b] [c]]" {
			t.Errorf("the transactions were %s", got)
		}
	})
}

// A sender that hears 503 must be able to rely on it.
func TestADeliveryThatIsNotTakenIsNeverStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		under := d.bring(t.Context(), "under way")
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := d.bring(ctx, "gave up")
		cancel()
		if err := <-gaveUp[0]; !errors.Is(err, context.Canceled) {
			t.Errorf("the one whose sender gave up: %v", err)
		}
		var ids []string
		for i := range maxArrivals {
			ids = append(ids, fmt.Sprint(i))
		}
		waiting := d.bring(t.Context(), ids...)
		if err := <-d.bring(t.Context(), "one too many")[0]; !errors.Is(err, ErrBusy) {
			t.Errorf("the one beyond the bound: %v", err)
		}
		for range 1 + maxArrivals/storeTogether {
			d.let <- nil
		}
		for _, o := range append(under, waiting...) {
			if err := <-o; err != nil {
				t.Error(err)
			}
		}
		if all := slices.Concat(d.stored...); len(all) != 1+maxArrivals || slices.Contains(all, "gave up") || slices.Contains(all, "one too many") {
			t.Errorf("%d deliveries are stored", len(all))
		}
	})
}

func TestADeliveryWhoseTransactionIsUnderWayWaitsForItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		ctx, cancel := context.WithCancel(t.Context())
		outcome := d.bring(ctx, "a")[0]
		cancel()
		synctest.Wait()
		select {
		case err := <-outcome:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		d.let <- nil
		if err := <-outcome; err != nil || len(d.stored) != 1 {
			t.Errorf("%v, stored %v", err, d.stored)
		}
	})
}
