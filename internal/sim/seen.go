package sim

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A witness remembers what happened in a world, as it happened. What is durable isn't kept here: it is read at the end.
type witness struct {
	mu       sync.Mutex
	answers  []answered
	probes   []*probed
	begun    map[string]int // askings of a check of a run on a color
	starts   map[string]int // of runs
	reports  map[string]int // of runs' verdicts
	killed   int
	dropped  map[uint64]int       // deaths of processes that had an event in their hands
	applied  map[string][]reached // stream sequences that records had reached, by service
	last     map[string][]reached // sequences of the last verdicts of records, by service, color and deployment
	verdicts map[string][]copied  // that processes were given, by run
	spans    map[string][]span    // when a process was paused or cut off, "" for the broker
}

func newWitness() *witness {
	return &witness{begun: map[string]int{}, starts: map[string]int{}, reports: map[string]int{}, dropped: map[uint64]int{}, applied: map[string][]reached{}, last: map[string][]reached{},
		verdicts: map[string][]copied{}, spans: map[string][]span{}}
}

// answered is a gate question and what was said.
type answered struct {
	at       time.Time
	process  string // "bus" for whichever answered over it
	skew     time.Duration
	reloaded []bool // whether it had read the suites again, as far as that is known
	service  string
	asked    plumbline.Asked
	doc      plumbline.Gate
	err      error
}

// probed is one asking of a check.
type probed struct {
	run, check, worker string
	session            uint64 // a process may have the same run in its hands twice
	turn               uint64 // of the same check of a session: who waits for a paused process may be overtaken by its next try
	color              plumbline.Color
	begun, ended       time.Time
	end                string // as its process heard it, "" while it goes on
	took               bool   // what was asked was done, whoever heard of it
}

// reached says when a number was first seen.
type reached struct {
	number uint64
	at     time.Time
}

// copied is a verdict as a process was given it.
type copied struct {
	process, text string
}

// span is a time in which somebody could not be reached.
type span struct{ from, to time.Time }

func (s *witness) answer(a answered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, a)
}

func (s *witness) begin(q *prober, turn uint64, c plumbline.Color) (p *probed, nth int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := q.run.Run + q.check.Suite + "/" + q.check.Name + string(c)
	s.begun[key]++
	p = &probed{run: q.run.Run, check: q.check.Name, worker: q.process.name, session: q.session, turn: turn, color: c, begun: time.Now()}
	s.probes = append(s.probes, p)
	return p, s.begun[key]
}

func (s *witness) took(p *probed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.took = true
}

func (s *witness) ended(p *probed, end string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.end, p.ended = end, time.Now()
}

func (s *witness) start(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts[run]++
}

func (s *witness) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed++
}

// drop hears that a process died with an event in its hands.
func (s *witness) drop(event uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped[event]++
}

func (s *witness) report(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports[run]++
}

// record hears of a record that somebody read or wrote.
func (s *witness) record(r plumbline.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reach := func(all map[string][]reached, key string, number uint64) {
		if known := all[key]; len(known) == 0 || known[len(known)-1].number < number {
			all[key] = append(known, reached{number, time.Now()})
		}
	}
	reach(s.applied, r.Service, r.Applied)
	for c, state := range r.Colors {
		if state.Last != nil {
			reach(s.last, lastKey(r.Service, c, state.Deployment), state.Last.Sequence)
		}
	}
}

// verdict hears of a verdict that a process was given as the one that counts.
func (s *witness) verdict(process string, v plumbline.Verdict) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts[v.Run] = append(s.verdicts[v.Run], copied{process, string(text)})
}

func (s *witness) span(whose string, from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans[whose] = append(s.spans[whose], span{from, to})
}

func lastKey(service string, c plumbline.Color, deployment uint64) string {
	return fmt.Sprint(service, c, deployment)
}

// when is the first moment at which somebody saw a number reached, zero if nobody did.
func (s *witness) when(all []reached, number uint64) time.Time {
	for _, r := range all {
		if r.number >= number {
			return r.at
		}
	}
	return time.Time{}
}

// known is the stream sequence that a service's record had reached by a time, as far as anybody saw.
func (s *witness) known(service string, by time.Time) (sequence uint64) {
	for _, r := range s.applied[service] {
		if !r.at.After(by) {
			sequence = r.number
		}
	}
	return sequence
}

// away says whether somebody could not be reached at some time between two others, or shortly before.
func (s *witness) away(who string, from, to time.Time) bool {
	for _, whose := range []string{who, ""} {
		for _, span := range s.spans[whose] {
			if span.from.Before(to) && span.to.Add(recovery).After(from) {
				return true
			}
		}
	}
	return false
}

// recovery is how long a process may take to be itself again when it can be reached.
const recovery = 10 * time.Second

// calm says whether a process was never out of reach in the last while.
func (s *witness) calm(who string) bool {
	now := time.Now()
	return !s.away(who, now.Add(-time.Second), now)
}

// lost is how much time between two moments was lost to trouble of any kind.
func (s *witness) lost(from, to time.Time) (total time.Duration) {
	for _, spans := range s.spans {
		for _, span := range spans {
			if span.from.Before(to) && span.to.After(from) {
				total += span.to.Sub(span.from) + recovery
			}
		}
	}
	return total
}
