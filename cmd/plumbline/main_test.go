package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long anything may take that should happen at once. Nothing waits for it that went well.
const patience = time.Minute

// built is where what tests build is kept until the end.
var built string

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"plumbline": main,
		"exits":     exits,
	})
}

// tests are all of them, with what they build.
type tests struct{ *testing.M }

func (m tests) Run() int {
	dir, err := os.MkdirTemp("", "plumbline-built-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	return m.M.Run()
}

// exits CODE plumbline ARGUMENT… is plumbline, and succeeds if that exits with the code.
func exits() {
	if len(os.Args) < 3 || os.Args[2] != "plumbline" {
		fmt.Fprintln(os.Stderr, "usage: exits CODE plumbline ARGUMENT…")
		os.Exit(1)
	}
	want, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code := process(os.Args[3:]); code != want {
		fmt.Fprintf(os.Stderr, "plumbline exited %d, want %d\n", code, want)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		ContinueOnError:    false,
		UpdateScripts:      os.Getenv("PLUMBLINE_UPDATE") != "",
		Setup:              setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ports":   ports,
			"ready":   ready,
			"site":    startHouse,
			"deploy":  deploy,
			"asked":   asked,
			"soon":    soon,
			"escapes": escapes,
			"named":   named,
			"publish": publish,
		},
	})
}

func setup(env *testscript.Env) error {
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("PLUM_CLIENT_SECRET", "the secret of the API client")
	env.Values[houses{}] = map[string]*house{}
	return nil
}

// ports NAME… sets each name to a free address on loopback.
func ports(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		ts.Setenv(name, freeAddress(ts.Fatalf))
	}
}

// ready ADDRESS waits until a daemon is in step with its bus.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: ready ADDRESS")
	}
	if err := awaitReady("http://" + args[0] + "/readyz"); err != nil {
		ts.Fatalf("%v", err)
	}
}

func awaitReady(url string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get(url)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s answers %s", url, answer.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// soon REGEXP plumbline ARGUMENT… runs a command again and again until its standard output matches.
func soon(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: soon REGEXP COMMAND…")
	}
	want := regexp.MustCompile(`(?m)` + args[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // its output decides
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("never matched %q: %s", args[0], strings.Join(args[1:], " "))
		}
	}
}

// escapes says that the last output has escape codes, and ! escapes that it has none.
func escapes(ts *testscript.TestScript, neg bool, _ []string) {
	has := strings.Contains(ts.ReadFile("stdout")+ts.ReadFile("stderr"), "\x1b")
	if has == neg {
		ts.Fatalf("escape codes: %t", has)
	}
}

var runInJSON = regexp.MustCompile(`"run": "([a-z2-7]{26})"`)

// named NAME sets $NAME to the run that the last output is about.
func named(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: named NAME")
	}
	found := runInJSON.FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("the last output is about no run")
	}
	ts.Setenv(args[0], found[1])
}

// publish ADDRESS SUBJECT FILE [HEADER VALUE]… puts a file onto a bus, as any client may.
func publish(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 || len(args)%2 == 0 {
		ts.Fatalf("usage: publish ADDRESS SUBJECT FILE [HEADER VALUE]…")
	}
	conn, err := nats.Connect("nats://" + args[0])
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	m := &nats.Msg{Subject: args[1], Data: []byte(ts.ReadFile(args[2])), Header: nats.Header{}}
	for pairs := args[3:]; len(pairs) > 0; pairs = pairs[2:] {
		m.Header[pairs[0]] = []string{pairs[1]}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = js.PublishMsg(ctx, m)
	ts.Check(err)
}
