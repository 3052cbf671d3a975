package checks

import (
	"context"
	"fmt"
	"math"
	"slices"

	"golang.org/x/time/rate"
)

// A Budget bounds how often a provider is asked. The zero Budget has no bounds.
type Budget struct {
	PerSecond float64
	Burst     int // requests at once; less than 1 means as many as a second has
}

func (b Budget) limiter() *rate.Limiter {
	if b.PerSecond <= 0 {
		return nil
	}
	burst := b.Burst
	if burst < 1 {
		burst = int(math.Ceil(b.PerSecond))
	}
	return rate.NewLimiter(rate.Limit(b.PerSecond), burst)
}

// Inherit goes on with the budgets of former connections: what an account has spent stays spent, unless it goes elsewhere or
// has another budget by now. It is for before anything is asked.
func (c *Connections) Inherit(former *Connections) {
	if c == nil || former == nil {
		return
	}
	for _, a := range c.list {
		for _, before := range former.list {
			if a.Account != "" && a.Account == before.Account && a.Kind == before.Kind && a.Budget == before.Budget && slices.Equal(a.Origins, before.Origins) {
				a.limiter = before.limiter
			}
		}
	}
}

// wait returns when the account may be used once more.
func (a *account) wait(ctx context.Context) error {
	if a.limiter == nil || a.limiter.Wait(ctx) == nil {
		return nil
	}
	cause := ctx.Err()
	if cause == nil {
		cause = context.DeadlineExceeded // it would be, and is told at once
	}
	return unasked{fmt.Sprintf("auth %s: its rate of %v a second has no room in the time of this check", a.Name, a.Budget.PerSecond), cause}
}

// spend takes a login out of the budget. Who waits for the login holds the line up, so it doesn't stand in it.
func (a *account) spend() {
	if a.limiter != nil {
		a.limiter.Reserve()
	}
}
