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
	Seed     uint64
	Services []*Service
	Fleet    int           // processes that share the events
	AckWait  time.Duration // of runs
	Acts     []Act         // by time
	Length   time.Duration
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
}

// An Act is one thing that happens.
type Act struct {
	At      time.Duration // from the beginning
	Do      deed
	ID      string // of an event
	Service string
	Color   plumbline.Color
	Version string
	Form    form    // of an event
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
	ask       deed = "ask" // every gate, every color, both purposes

	fuseLit    deed = "fuse"
	killOne    deed = "kill"
	stopOne    deed = "stop"
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

func (s *Service) policy() plumbline.Policy {
	return plumbline.Policy{New: true, Live: plumbline.Blue, LiveVersion: firstVersion, Retain: s.Retain, ValidFor: s.ValidFor, Enforce: s.Enforce, Suites: suiteRefs()}
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
	case killOne, stopOne, pauseOne, cutOne, muteOne, dropOne, jumpClock:
		text = append(text, fmt.Sprint("process ", a.Process))
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
		w.event()
		if !w.calm && w.chance(45) {
			w.fault()
		}
		if w.chance(40) {
			w.add(Act{At: w.at + w.upTo(10*time.Second), Do: ask})
		}
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
	case promote, switched:
		w.idle[service] = color.Other()
	case poison:
		a.Version = pick(w, poisons()...)
		a.Form = bare
	}
	w.sent = append(w.sent, a)
	w.add(a)
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
	a.Do = pick(w, fuseLit, fuseLit, fuseLit, fuseLit, killOne, stopOne, pauseOne, cutOne, muteOne, dropOne, brokerStop, brokerKill, jumpClock)
	switch a.Do {
	case fuseLit:
		a.At = w.at - w.upTo(time.Second)
		a.Steps, a.Trouble, a.For = 1+w.IntN(12), pick(w, troubles()...), w.upTo(25*time.Second)
	case pauseOne, cutOne, muteOne:
		a.For = w.upTo(25 * time.Second)
	case jumpClock:
		a.For = w.upTo(20*time.Second) - 10*time.Second
	case brokerStop, brokerKill:
		w.add(Act{At: a.At + w.upTo(15*time.Second), Do: brokerBack})
	}
	a.At = max(0, a.At)
	w.add(a)
}
