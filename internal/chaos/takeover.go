package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// takeovers are how long it took, from each death of a daemon, until another began the runs that the dead one had begun
// and not ended; or ended them, where nothing was left to ask.
func (f *finding) takeovers(deaths []death) (all []time.Duration) {
	for _, d := range deaths {
		if !d.killed() {
			continue
		}
		for run, starts := range f.starts {
			if took := f.takeover(run, starts, d); took > 0 {
				all = append(all, took)
			}
		}
	}
	slices.Sort(all)
	return all
}

func (f *finding) takeover(run string, starts []beginning, d death) time.Duration {
	own, next := time.Time{}, f.endings[run].at
	for _, b := range starts {
		switch {
		case b.at.Before(d.at) && b.at.After(d.born) && strings.HasSuffix(b.worker, fmt.Sprintf("-%d", d.pid)):
			own = b.at
		case !own.IsZero() && b.at.Before(d.at):
			return 0 // another had it already
		case !own.IsZero() && b.at.Before(next):
			next = b.at
		}
	}
	if own.IsZero() || !next.After(d.at) {
		return 0 // it had ended before
	}
	return next.Sub(d.at)
}

// A spread is the shape of some durations.
type spread struct{ median, most, worst time.Duration }

// shape wants them sorted.
func shape(all []time.Duration) spread {
	if len(all) == 0 {
		return spread{}
	}
	return spread{all[len(all)/2], all[len(all)*95/100], all[len(all)-1]}
}

func (s spread) String() string {
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
	return fmt.Sprintf("median %s, 95 of 100 within %s, worst %s", seconds(s.median), seconds(s.most), seconds(s.worst))
}

// tally says how often each thing was, most often first.
func tally(count map[string]int) string {
	names := make([]string, 0, len(count))
	for name := range count {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, count[name])
	}
	return strings.Join(names, ", ")
}
