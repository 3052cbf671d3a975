package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/receiver"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// Clocks that are this far apart are worth a warning, and beyond the tolerance of the rules passes aren't fresh.
const clocksApart = 2 * time.Second

// daemonsWait is how long daemons may take to say that they are there.
const daemonsWait = time.Second

// bus is reached and looked at.
func (d *doctor) bus(ctx context.Context) {
	b, err := d.connect(ctx)
	if err != nil {
		d.fail(exitUnknown)
		text, cure, _ := strings.Cut(err.Error(), "\n")
		d.say(stateWrong, "bus", "", cure, "%s", text)
		return
	}
	defer b.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoAnswer)
	defer cancel()
	trip, err := b.Conn().RTT()
	if err != nil {
		d.fail(exitUnknown)
		d.say(stateWrong, "bus", "", "its own log says why", "is there and doesn't answer: %s", err)
		return
	}
	d.say(stateOK, "bus", b.Conn().ConnectedServerName(), "", "nats-server %s, %s away", b.Conn().ConnectedServerVersion(), trip.Round(10*time.Microsecond))
	if !d.streams(ctx, b) {
		return
	}
	d.daemons(ctx, b)
	if b.ReadsNothing(ctx) {
		return
	}
	d.clock(ctx, b)
	d.services(ctx, b)
	d.reporters(ctx, b)
	d.letters(ctx, b)
}

// streams says what about them, the servers and this user isn't as it should be, and whether there is anything to look at.
func (d *doctor) streams(ctx context.Context, b *bus.Bus) bool {
	findings, there := b.Check(ctx, daemon.Readers(d.config)), true
	if d.config.Bus.Embedded() {
		findings = embeddedFindings(findings)
	}
	for _, f := range findings {
		switch f.State {
		case bus.StateOK:
		case bus.StateMissing:
			there = there && !strings.HasPrefix(f.Name, "stream") && f.Name != "account"
			text, _, _ := strings.Cut(f.Text, ": plumbline bus provision")
			d.say(stateWrong, "bus", f.Name, "plumbline serve makes what is missing, or plumbline bus provision with an admin's credentials", "%s", text)
		case bus.StateWeak:
			d.say(stateWarning, "bus", f.Name, "plumbline bus check has all of it", "%s", f.Text)
		default:
			d.say(stateUnknown, "bus", f.Name, "", "%s", f.Text)
		}
	}
	if ok := inState(findings, bus.StateOK); ok == len(findings) {
		d.say(stateOK, "bus", "", "", "connection, servers, user, streams and consumers are as they should be")
	}
	return there
}

func (d *doctor) clock(ctx context.Context, b *bus.Bus) {
	ahead, give, err := b.Clock(ctx)
	apart := max(0, ahead.Abs()-give)
	text := fmt.Sprintf("the bus is %s %s this machine", apart.Round(time.Millisecond), map[bool]string{true: "ahead of", false: "behind"}[ahead > 0])
	switch {
	case err != nil:
		d.say(stateUnknown, "clock", "", "", "the bus doesn't tell its time: %s", err)
	case apart >= plumbline.ClockTolerance:
		d.say(stateWrong, "clock", "", "set the clocks by NTP: with such clocks no pass is fresh", "%s", text)
	case apart >= clocksApart:
		d.say(stateWarning, "clock", "", "set the clocks by NTP", "%s", text)
	default:
		d.say(stateOK, "clock", "", "", "the bus and this machine agree, within %s", max(apart, give).Round(time.Millisecond)+time.Millisecond)
	}
}

func (d *doctor) daemons(ctx context.Context, b *bus.Bus) {
	n, err := b.Daemons(ctx, daemonsWait)
	switch {
	case err != nil:
		d.say(stateUnknown, "daemons", "", "", "who answers for gates can't be told: %s", err)
	case n == 0:
		d.say(stateWrong, "daemons", "", "plumbline serve starts one", "none answers for gates")
	default:
		d.say(stateOK, "daemons", "", "", "%s for gates", map[bool]string{true: "1 answers", false: fmt.Sprintf("%d answer", n)}[n == 1])
	}
}

// services are looked up in their records.
func (d *doctor) services(ctx context.Context, b *bus.Bus) {
	for _, name := range slices.Sorted(maps.Keys(d.config.Services)) {
		settings := d.config.Services[name]
		record, _, err := b.Record(ctx, name)
		switch {
		case errors.Is(err, bus.ErrNoRecord):
			d.say(stateWarning, "services", name, "a daemon of this configuration makes it when it is started or reloaded", "has no record")
			continue
		case err != nil:
			d.say(stateUnknown, "services", name, "", "its record can't be read: %s", err)
			continue
		case !record.Adopted:
			d.say(stateWrong, "services", name, fmt.Sprintf("plumbline adopt %s --live COLOR --reason TEXT", name), "nobody said which color is live: its gates are closed")
			continue
		}
		d.say(stateOK, "services", name, "", "%s is live with %s", record.Live, orDash(record.Colors[record.Live].Release.String()))
		if settings.New {
			d.say(stateWarning, "services", name, fmt.Sprintf("take new out of services.%s", name),
				"is marked new and has a record: were that lost, its live color would be assumed instead of asked for")
		}
		if late := overdue(record, settings.Deadline, time.Now()); late > 0 {
			d.say(stateWrong, "services", name, "is a daemon up that has this service and the kinds of its suites?", "%s past the deadline without a verdict", count(late, "run"))
		}
	}
}

func orDash(text string) string {
	if text == "" {
		return "a version that nobody named"
	}
	return text
}

// overdue counts runs that should have a verdict by now.
func overdue(record plumbline.Record, deadline time.Duration, now time.Time) (n int) {
	for _, state := range record.Colors {
		for _, run := range state.Pending {
			if now.Sub(run.AcceptedAt) > deadline+time.Minute {
				n++
			}
		}
	}
	return n
}

func (d *doctor) reporters(ctx context.Context, b *bus.Bus) {
	for _, name := range slices.Sorted(maps.Keys(d.config.Reporters)) {
		waiting, there, err := b.Backlog(ctx, "reporter-"+name)
		switch {
		case err != nil:
			d.say(stateUnknown, "reporters", name, "", "what it has to tell can't be seen: %s", err)
		case !there:
			d.say(stateWarning, "reporters", name, "a daemon of this configuration starts it", "tells nothing yet")
		case waiting > 0:
			d.say(stateWarning, "reporters", name, "the daemon's log says what keeps it", "has %s still to tell", count(waiting, "verdict"))
		default:
			d.say(stateOK, "reporters", name, "", "has told all verdicts")
		}
	}
}

// letters of the last day are worth a look.
func (d *doctor) letters(ctx context.Context, b *bus.Bus) {
	const most = 100
	letters, err := b.DeadLetters(ctx, most)
	if err != nil {
		d.say(stateUnknown, "dead letters", "", "", "can't be read: %s", err)
		return
	}
	letters = slices.DeleteFunc(letters, func(l bus.DeadLetter) bool { return time.Since(l.At) > 24*time.Hour })
	if len(letters) == 0 {
		d.say(stateOK, "dead letters", "", "", "none in the last day")
		return
	}
	d.say(stateWarning, "dead letters", "", "plumbline deadletters list", "%s in the last day, the last: %s", count(len(letters), "event"), term.Line(letters[0].Reason))
}

// listener is a daemon's on this machine, if there is one.
func (d *doctor) listener(ctx context.Context) {
	address := beyond(d.config.Listen)
	if address == "" {
		return
	}
	status, body, err := d.ask(ctx, http.MethodGet, "http://"+address+"/readyz", "")
	switch {
	case err != nil:
		d.say(stateUnknown, "gate", address, "look where the daemon runs", "nobody listens there on this machine")
	case status != http.StatusOK:
		d.say(stateWrong, "gate", address, "the daemon's log says more", "isn't ready: %s", errorIn(body))
	default:
		d.say(stateOK, "gate", address, "", "ready")
	}
}

// errorIn is what an answer says is wrong.
func errorIn(body string) string {
	var answer struct{ Error string }
	if json.Unmarshal([]byte(body), &answer) != nil || answer.Error == "" {
		return body
	}
	return answer.Error
}

// receiver gets something that nobody waits for, from wherever this is.
func (d *doctor) receiver(ctx context.Context) {
	settings := d.config.Receiver
	base := strings.TrimRight(settings.PublicURL, "/")
	if address := beyond(settings.Listen); base == "" && address != "" {
		base = "http://" + address
	}
	if base == "" {
		return
	}
	nonce, err := receiver.NewNonce(rand.Reader)
	if err != nil {
		d.say(stateUnknown, "receiver", base, "", "%s", err)
		return
	}
	status, _, err := d.ask(ctx, http.MethodPost, base+"/"+nonce, "{}")
	switch {
	case err != nil:
		d.say(stateWrong, "receiver", base, "is it up, and reached from where the environments are? receiver.public_url names it", "%s", reasonOf(err))
	case status/100 != 2:
		d.say(stateWrong, "receiver", base, "does receiver.public_url lead to receiver.listen of a daemon?", "answered %d to a callback, want 2xx", status)
	default:
		d.say(stateOK, "receiver", base, "", "takes callbacks")
	}
}

// ask sends a request and reads the beginning of its answer.
func (d *doctor) ask(ctx context.Context, method, address, body string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request) // #nosec G704 -- an address of the configuration
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 512))
	return response.StatusCode, strings.TrimSpace(string(text)), err
}
