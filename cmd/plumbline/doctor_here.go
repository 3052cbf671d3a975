package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/suites"
)

// suites loads them as a daemon does.
func (d *doctor) suites() {
	var opened *checks.Connections
	reading := daemon.SuiteOptions(d.config, d.hide, func(c *checks.Clients) { opened = c.Connections })
	defer opened.Close()
	for _, name := range slices.Sorted(maps.Keys(d.config.Services)) {
		service := d.config.Services[name]
		loaded, err := suites.Load(service.Suites, reading)
		for _, p := range problemsOf(err).Errors() {
			d.fail(exitUsage)
			d.say(stateWrong, "suites", place(p), p.Hint, "%s", p.Text)
		}
		if err != nil {
			continue
		}
		n, asked := 0, map[plumbline.Trigger]bool{}
		for _, s := range loaded {
			if s.Service != "" && s.Service != name {
				continue
			}
			n += len(s.Checks)
			for _, trigger := range s.Triggers {
				asked[trigger] = true
			}
			for _, p := range s.Warnings {
				d.say(stateWarning, "suites", place(p), p.Hint, "%s", p.Text)
			}
		}
		d.say(stateOK, "suites", name, "", "%s with %s", count(len(loaded), "suite"), count(n, "check"))
		if !asked[plumbline.TriggerRelease] {
			d.say(stateWrong, "suites", name, "add triggers: [release] to one", "no suite answers to a release: each one is refused")
		}
		if service.Standby.Schedule != "" && !asked[plumbline.TriggerStandby] {
			d.say(stateWarning, "suites", name, "add standby to the triggers of one", "no suite answers to the standby's schedule: nothing is asked of it")
		}
	}
}

// renewBefore is how long before its end a certificate is worth a warning.
const renewBefore = 14 * 24 * time.Hour

// certificates of connections end one day.
func (d *doctor) certificates() {
	for _, name := range slices.Sorted(maps.Keys(d.config.Connections)) {
		own := d.config.Connections[name].MTLS
		if own == nil || own.Chain == "" {
			continue
		}
		block, _ := pem.Decode([]byte(own.Chain))
		if block == nil {
			continue // the configuration would not have loaded
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		switch left := time.Until(certificate.NotAfter); {
		case left <= 0:
			d.say(stateWrong, "connections", name, "renew "+own.Certificate, "its certificate ended %s", ago(certificate.NotAfter, time.Now()))
		case left < renewBefore:
			d.say(stateWarning, "connections", name, "renew "+own.Certificate, "its certificate ends %s", ago(certificate.NotAfter, time.Now()))
		}
	}
}

// A dialled is where something is asked.
type dialled struct {
	area, name, setting, host string
	err                       error
	took                      time.Duration
}

// The bounds of looking at addresses.
const (
	dialTime = 3 * time.Second
	dialMost = 16 // at once
)

// addresses are dialled, and told nothing.
func (d *doctor) addresses(ctx context.Context) {
	all := d.whereToAsk()
	var dialling sync.WaitGroup
	places := make(chan struct{}, dialMost)
	for i := range all {
		dialling.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			all[i].dial(ctx)
		})
	}
	dialling.Wait()
	for _, a := range all {
		if a.err != nil {
			d.say(stateWrong, a.area, a.name, "is it up, and reached from this machine? "+a.setting+" names it", "%s", reasonOf(a.err))
			continue
		}
		d.say(stateOK, a.area, a.name, "", "takes connections (%s)", brief(a.took))
	}
}

func (d *doctor) whereToAsk() (all []*dialled) {
	add := func(area, name, setting, text string) {
		if host := hostPort(text); host != "" {
			all = append(all, &dialled{area: area, name: name, setting: setting, host: host})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.Services)) {
		for _, color := range plumbline.Colors() {
			if e := d.config.Services[name].Environments[color]; e != nil {
				add("environments", name+" "+string(color), fmt.Sprintf("services.%s.environments.%s.url", name, color), e.URL)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.Connections)) {
		for _, text := range d.config.Connections[name].Addresses() {
			add("connections", name, "connections."+name, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.Reporters)) {
		where := "https://slack.com"
		if slack := d.config.Reporters[name].Slack; slack != nil && slack.Webhook.Reveal() != "" {
			where = slack.Webhook.Reveal()
		}
		add("reporters", name, "reporters."+name, where)
	}
	return all
}

// hostPort is where the URL of a web page is dialled; nothing for what is none.
func hostPort(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (a *dialled) dial(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", a.host)
	a.took, a.err = time.Since(began), err
	if err == nil {
		_ = conn.Close() // nothing was sent
	}
}

// reasonOf is why a connection failed, without the address, which may be a secret's.
func reasonOf(err error) string {
	var resolving *net.DNSError
	var calling *os.SyscallError
	switch {
	case errors.As(err, &resolving) && resolving.IsNotFound:
		return "its name is not known"
	case errors.As(err, &resolving):
		return "its name could not be looked up"
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return "no connection within " + dialTime.String()
	case errors.As(err, &calling):
		return calling.Err.Error()
	}
	return "no connection"
}

// Free space of an embedded bus that is worth a warning, and with which it may be full any moment.
const (
	littleRoom = 1 << 30
	noRoom     = 64 << 20
)

// store is the directory of an embedded bus.
func (d *doctor) store() {
	if !d.config.Bus.Embedded() {
		return
	}
	dir := d.config.Bus.Store
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		d.say(stateUnknown, "store", dir, "plumbline serve makes it", "isn't there yet")
		return
	case err != nil || !info.IsDir():
		d.say(stateWrong, "store", dir, "set bus.store to a directory", "is no directory that can be looked at")
		return
	case info.Mode().Perm()&0o077 != 0:
		d.say(stateWarning, "store", dir, "chmod 700 "+dir, "has mode %#o: others can look into it", info.Mode().Perm())
	}
	free, known := freeSpace(dir)
	switch {
	case !known:
		d.say(stateUnknown, "store", dir, "", "how much room it has can't be told here")
	case free < noRoom:
		d.say(stateWrong, "store", dir, "make room: a full bus takes no verdict", "%d MiB are free", free>>20)
	case free < littleRoom:
		d.say(stateWarning, "store", dir, "make room: a full bus takes no verdict", "%d MiB are free", free>>20)
	default:
		d.say(stateOK, "store", dir, "", "%d GiB are free", free>>30)
	}
}

// beyond is an address to listen at as others on this machine dial it.
func beyond(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
