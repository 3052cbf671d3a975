package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A Script says what happens in a world, and when. Equal seeds make equal scripts.
type Script struct {
	Seed      uint64
	Services  []*Service
	Fleet     int           // processes that share the events
	AckWait   time.Duration // of runs
	Reporters []string      // that every process has
	Acts      []Act         // by time
	Length    time.Duration
}

// A Service is what the configuration of a world says of a service.
type Service struct {
	Name     string
	Retain   time.Duration
	ValidFor time.Duration
	Deadline time.Duration
	Slots    time.Duration // between standby slots, 0: none
	Renew    time.Duration
	Enforce  bool
	Digests  bool          // releases need one
	Changed  time.Duration // when the suites change, one process after the other; 0: never
}

// An Act is one thing that happens.
type Act struct {
	At      time.Duration // from the beginning
	Do      deed
	ID      string // of an event
	Service string
	Color   plumbline.Color
	Version string
	Digest  string
	Form    form    // of an event
	Many    int     // of a flood
	Process int     // whom it happens to
	Steps   int     // of a fuse
	Trouble trouble // of a fuse
	For     time.Duration
}

// A deed is a kind of act.
type deed string

const (
	deploying deed = "deploying"
	deployed  deed = "deployed"
	switched  deed = "switched"
	requested deed = "requested"
	promote   deed = "promote" // asks the gate, and switches if it is open
	poison    deed = "poison"
	flood     deed = "flood" // of requests
	ask       deed = "ask"   // every gate, every color, both purposes, and other releases

	forgetful deed = "consumer is deleted"

	fuseLit    deed = "fuse"
	wireLit    deed = "wire fuse" // it is killed when it has sent so much
	bootLit    deed = "boot fuse" // it is killed, and so is the next one in its place when it has sent so much
	killOne    deed = "kill"
	stopOne    deed = "stop"
	finishOne  deed = "finish" // as stop, once the runs under way have ended or the grace is over
	pauseOne   deed = "pause"
	cutOne     deed = "cut off" // the network is silent
	muteOne    deed = "mute"    // answers are lost
	dropOne    deed = "drop"    // the connection breaks
	jumpClock  deed = "clock jumps"
	brokerStop deed = "broker stops"
	brokerKill deed = "broker is killed"
	brokerBack deed = "broker is back"
)

// A form is how an event is sent.
type form string

const (
	proper    form = ""           // as plumbline's own tools do: with a message id, until the bus took it
	bare      form = "bare"       // without a message id: nothing recognizes it on the way
	twice     form = "twice"      // bare, and once more
	changed   form = "other data" // bare, the id of an event before, with other data
	inHeaders form = "binary"     // a CloudEvent in binary mode
	cdEvent   form = "CDEvent"
)

func (s *Script) service(name string) *Service {
	for _, service := range s.Services {
		if service.Name == name {
			return service
		}
	}
	return nil
}

func (s *Script) names() []string {
	var names []string
	for _, service := range s.Services {
		names = append(names, service.Name)
	}
	return names
}

// policy is what a process knows of the service that has the suites of the moment, or those from before.
func (s *Service) policy(today bool) plumbline.Policy {
	return plumbline.Policy{New: true, Live: plumbline.Blue, LiveVersion: firstVersion, Retain: s.Retain, ValidFor: s.ValidFor, Enforce: s.Enforce,
		RequireDigest: s.Digests, Suites: suiteRefs(today)}
}

// firstVersion is what a service begins with, healthy.
const firstVersion = "1-healthy"

// String tells the script as a person would.
func (s *Script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d processes, ack wait %s\n", s.Seed, s.Fleet, s.AckWait)
	for _, service := range s.Services {
		fmt.Fprintf(&b, "  %+v\n", *service)
	}
	for _, a := range s.Acts {
		fmt.Fprintf(&b, "  %8s %s\n", a.At.Round(time.Millisecond), a)
	}
	return b.String()
}

func (a Act) String() string {
	text := []string{string(a.Do)}
	for _, word := range []string{a.Service, string(a.Color), a.Version, a.ID, string(a.Form)} {
		if word != "" {
			text = append(text, word)
		}
	}
	switch a.Do {
	case fuseLit:
		text = append(text, fmt.Sprintf("process %d %s step %d", a.Process, a.Trouble, a.Steps))
	case wireLit, bootLit:
		text = append(text, fmt.Sprintf("process %d write %d", a.Process, a.Steps))
	case killOne, stopOne, finishOne, pauseOne, cutOne, muteOne, dropOne, jumpClock:
		text = append(text, fmt.Sprint("process ", a.Process))
	}
	if a.Digest != "" {
		text = append(text, "with digest")
	}
	if a.Many != 0 {
		text = append(text, fmt.Sprint(a.Many))
	}
	if a.For != 0 {
		text = append(text, "for "+a.For.String())
	}
	return strings.Join(text, " ")
}

// A writer makes a script.
type writer struct {
	*rand.Rand
	*Script
	at   time.Duration
	sent []Act                      // events
	idle map[string]plumbline.Color // as far as a writer can know
	calm bool                       // nothing goes wrong but the releases
}

// Write makes the script of a seed.
func Write(seed uint64) *Script {
	w := &writer{Rand: rand.New(rand.NewPCG(seed, 0x706c756d62)), Script: &Script{Seed: seed}, idle: map[string]plumbline.Color{}}
	w.settings()
	events := 4 + w.IntN(6)
	switch n := w.IntN(100); {
	case n < 3:
		events = 40 + w.IntN(40)
	case n < 20:
		events = 12 + w.IntN(12)
	}
	w.calm = w.chance(10)
	for range events {
		w.at += w.pause()
		if w.chance(1) && w.chance(5) {
			w.at += time.Hour + w.upTo(time.Hour) // what is remembered for an hour is forgotten
		}
		w.event()
		if !w.calm && w.chance(45) {
			w.fault()
		}
		if w.chance(40) {
			w.add(Act{At: w.at + w.upTo(10*time.Second), Do: ask})
		}
	}
	if w.chance(1) {
		w.flood()
	}
	w.Length = w.at + 5*time.Second
	slices.SortStableFunc(w.Acts, func(a, b Act) int { return int(a.At - b.At) })
	return w.Script
}

func (w *writer) chance(percent int) bool { return w.IntN(100) < percent }

func (w *writer) upTo(d time.Duration) time.Duration { return time.Duration(w.Int64N(int64(d))) }

// pick is one of the things.
func pick[T any](w *writer, things ...T) T { return things[w.IntN(len(things))] }

func (w *writer) settings() {
	w.Fleet = pick(w, 1, 2, 2, 3)
	w.AckWait = pick(w, 2*time.Second, 5*time.Second, 10*time.Second)
	if w.chance(25) {
		w.Reporters = []string{"reporter-sim"}
	}
	names := []string{"plum"}
	if w.chance(30) {
		names = append(names, "pear")
	}
	for _, name := range names {
		w.idle[name] = plumbline.Green
		w.Services = append(w.Services, &Service{
			Name: name, Retain: pick(w, 0, 15*time.Second, time.Minute, time.Hour), ValidFor: pick(w, 15*time.Second, time.Minute, 30*time.Minute),
			Deadline: pick(w, 30*time.Second, time.Minute, 2*time.Minute), Slots: pick(w, 0, 10*time.Second, 30*time.Second),
			Renew: pick(w, 0, 0, 2*time.Minute), Enforce: w.chance(20),
			Digests: w.chance(15), Changed: pick(w, 0, 0, w.upTo(time.Minute)),
		})
	}
}

// pause is the time between two events: often none worth mentioning.
func (w *writer) pause() time.Duration {
	switch n := w.IntN(10); {
	case n < 4:
		return w.upTo(50 * time.Millisecond)
	case n < 8:
		return w.upTo(5 * time.Second)
	default:
		return w.upTo(25 * time.Second)
	}
}

func (w *writer) add(a Act) { w.Acts = append(w.Acts, a) }

func (w *writer) event() {
	if len(w.sent) > 0 && w.chance(12) {
		w.again()
		return
	}
	service := pick(w, w.names()...)
	color := w.idle[service]
	if w.chance(30) {
		color = color.Other()
	}
	do := pick(w, deployed, deployed, deployed, deployed, promote, promote, switched, requested, requested, deploying, poison)
	a := Act{At: w.at, Do: do, Service: service, Color: color, ID: fmt.Sprint("e", len(w.sent)+1), Form: pick(w, proper, proper, proper, bare)}
	switch do {
	case deployed:
		a.Version = fmt.Sprintf("%d-%s", len(w.sent)+2, pick(w, behaviours()...))
		a.Form = pick(w, proper, proper, bare, twice, inHeaders, cdEvent)
		if w.chance(60) || w.service(service).Digests && w.chance(60) {
			a.Digest = fmt.Sprintf("sha256:%064x", len(w.sent)+2)
		}
	case promote, switched:
		w.idle[service] = color.Other()
	case poison:
		a.Version = pick(w, poisons()...)
		a.Form = bare
	}
	w.sent = append(w.sent, a)
	w.add(a)
}

// flood asks the same color for more runs than its record has room for, and now and then for more than it remembers.
func (w *writer) flood() {
	service := pick(w, w.names()...)
	w.add(Act{At: w.upTo(w.at + time.Second), Do: flood, Service: service, Color: w.idle[service], ID: "f", Many: pick(w, 70, 90, 90, 300), Form: bare})
}

// again sends an event before once more, as it was or with other data.
func (w *writer) again() {
	a := pick(w, w.sent...)
	a.At, a.Form = w.at, pick(w, proper, bare, bare, changed)
	if a.Do == promote {
		a.Do = switched
	}
	if a.Do != poison {
		w.add(a)
	}
}

func (w *writer) fault() {
	a := Act{At: w.at + w.upTo(12*time.Second), Process: w.IntN(w.Fleet)}
	a.Do = pick(w, fuseLit, fuseLit, fuseLit, fuseLit, wireLit, wireLit, bootLit, killOne, stopOne, finishOne, pauseOne, cutOne, muteOne, dropOne, brokerStop, brokerKill, jumpClock, forgetful)
	if w.chance(60) {
		a.At = w.at + w.upTo(1500*time.Millisecond) // while what was sent is being asked about
	}
	switch a.Do {
	case fuseLit:
		a.At = w.at - w.upTo(time.Second)
		a.Steps, a.Trouble, a.For = 1+w.IntN(12), pick(w, troubles()...), w.upTo(25*time.Second)
	case wireLit, bootLit:
		a.At = w.at - w.upTo(time.Second)
		a.Steps, a.Trouble = 1+w.IntN(30), pick(w, dieBefore, dieAfter)
	case pauseOne, cutOne, muteOne:
		a.For = w.upTo(25 * time.Second)
	case jumpClock:
		a.For = w.upTo(20*time.Second) - 10*time.Second
		if w.chance(10) {
			a.For *= 60
		}
	case finishOne:
		a.For = w.upTo(25 * time.Second)
	case forgetful:
		a.ID = pick(w, "strays", "state-"+pick(w, w.names()...), "run-"+pick(w, w.names()...))
	case brokerStop, brokerKill:
		w.add(Act{At: a.At + w.upTo(15*time.Second), Do: brokerBack})
	}
	a.At = max(0, a.At)
	w.add(a)
}
