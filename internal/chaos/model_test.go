package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A tale is what came over the stream of one service.
type tale struct {
	*model
	sequence uint64
}

func newTale() *tale { return &tale{model: newModel("apple")} }

func (s *tale) send(kind, id, data string) *tale {
	s.sequence++
	s.take(message{subject: "plumbline.event.apple", sequence: s.sequence, at: time.Unix(1_800_000_000, 0).Add(time.Duration(s.sequence) * time.Second),
		data: fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/test","type":"dev.plumbline.%s.v1","data":{"service":"apple",%s}}`, id, kind, data)})
	return s
}

func (s *tale) release(color, version string) *tale {
	return s.send("release.deployed", "r"+version, fmt.Sprintf(`"color":%q,"version":%q`, color, version))
}

func (s *tale) switchTo(color string) *tale {
	return s.send("traffic.switched", fmt.Sprint("s", s.sequence), fmt.Sprintf(`"to":%q`, color))
}

func (s *tale) ask(color string) *tale {
	return s.send("validation.requested", fmt.Sprint("v", s.sequence), fmt.Sprintf(`"color":%q`, color))
}

// owed says of each debt whom it is about, and what may come of it.
func (s *tale) owed() string {
	var all []string
	for _, d := range s.debts {
		text := fmt.Sprintf("%d %s %s %s", d.event.Sequence, d.role, d.color, d.version)
		if d.refused {
			text += " refused"
		}
		if d.stale {
			text += " stale"
		}
		if d.newer > 0 {
			text += fmt.Sprint(" until ", d.newer)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func TestModelOwesWhatTheContractSays(t *testing.T) {
	for _, test := range []struct {
		tale *tale
		want string
	}{
		{newTale().release("green", "1-good-0"), "1 idle green 1-good-0"},
		{newTale().release("blue", "1-good-0"), "1 live blue 1-good-0 refused"},
		{newTale().release("green", "1-good-0").release("green", "2-bad-0"), "1 idle green 1-good-0 until 2; 2 idle green 2-bad-0"},
		{newTale().release("green", "1-good-0").release("green", "1-good-0"), "1 idle green 1-good-0"},
		{newTale().release("green", "1-good-0").switchTo("green").ask("blue"),
			"1 idle green 1-good-0 until 2; 2 live green 1-good-0; 3 standby blue 0-good-0"},
		{newTale().switchTo("green").switchTo("blue").ask("green"), "1 live green  until 2; 2 live blue 0-good-0; 3 idle green  refused"},
		{newTale().switchTo("green").release("blue", "2-good-0"), "1 live green ; 2 idle blue 2-good-0"},
		{newTale().release("green", "1-good-0").send("release.deploying", "d", `"color":"green"`).ask("green").release("green", "4-good-0").ask("blue"),
			"1 idle green 1-good-0 until 2; 3 idle green 1-good-0 stale until 4; 4 idle green 4-good-0; 5 live blue 0-good-0"},
	} {
		if got := test.tale.owed(); got != test.want {
			t.Errorf("owed %q, want %q", got, test.want)
		}
	}
	s := newTale().release("green", "1-good-0").send("release.deployed", "x", `"color":"red","version":"2"`).
		send("release.deployed", "r1-good-0", `"color":"green","version":"other"`)
	if !s.letters[2] || !s.letters[3] || s.letters[1] {
		t.Errorf("dead letters %v, want events 2 and 3", s.letters)
	}
}

// Whatever is wrong with a verdict is told.
// What is no event moves no record, also where it is the last that came.
func TestWhatIsNoEventIsNotApplied(t *testing.T) {
	s := newTale().release("green", "1-good-0")
	s.take(message{subject: "plumbline.event.apple", sequence: 2, data: []byte("none")})
	if s.applied != 1 || !s.letters[2] {
		t.Errorf("applied up to %d, letters %v", s.applied, s.letters)
	}
}

func TestWrongVerdictsAreFound(t *testing.T) {
	good := newTale().release("green", "1-good-0").debts[0]
	bad := newTale().release("green", "1-bad-0").debts[0]
	refused := newTale().release("blue", "1-good-0").debts[0]
	overtaken := newTale().release("green", "1-good-0").release("green", "2-good-0").debts[0]
	verdict := func(d *debt, outcome string, cause plumbline.Cause) plumbline.Verdict {
		return plumbline.Verdict{Service: "apple", Color: d.color, Role: d.role, Run: d.event.Run, Outcome: outcome, Cause: cause,
			Release: plumbline.Release{Version: d.version}, Event: plumbline.EventRef{ID: d.event.ID, Sequence: d.event.Sequence}}
	}
	about := func(v plumbline.Verdict, version string) plumbline.Verdict { v.Release.Version = version; return v }
	for _, test := range []struct {
		name    string
		debt    *debt
		verdict plumbline.Verdict
		starts  int
		wrong   string
	}{
		{"pass", good, verdict(good, plumbline.Pass, ""), 1, ""},
		{"fail", bad, verdict(bad, plumbline.Fail, plumbline.CauseChecks), 1, ""},
		{"false pass", bad, verdict(bad, plumbline.Pass, ""), 1, "FALSE PASS"},
		{"false fail", good, verdict(good, plumbline.Fail, plumbline.CauseChecks), 1, "FALSE FAIL"},
		{"superseded by nothing", good, verdict(good, plumbline.Fail, plumbline.CauseSuperseded), 1, "want a pass"},
		{"superseded", overtaken, verdict(overtaken, plumbline.Fail, plumbline.CauseSuperseded), 1, ""},
		{"quicker than what overtook it", overtaken, verdict(overtaken, plumbline.Pass, ""), 1, ""},
		{"too late", good, verdict(good, plumbline.Fail, plumbline.CauseDeadline), 1, "want a pass"},
		{"given up too soon", good, verdict(good, plumbline.Fail, plumbline.CauseUnfinished), 9, "want a pass"},
		{"given up", good, verdict(good, plumbline.Fail, plumbline.CauseUnfinished), 10, ""},
		{"refused", refused, verdict(refused, plumbline.Fail, plumbline.CauseRefused), 0, ""},
		{"asked though refused", refused, verdict(refused, plumbline.Pass, ""), 1, "want it refused"},
		{"refused without reason", good, verdict(good, plumbline.Fail, plumbline.CauseRefused), 0, "want a pass"},
		{"about another version", good, about(verdict(good, plumbline.Pass, ""), "9-good-0"), 1, "is about 9-good-0"},
		{"neither", good, verdict(good, "", ""), 1, "want pass or fail"},
		{"pass with a cause", good, verdict(good, plumbline.Pass, plumbline.CauseChecks), 1, "want pass or fail"},
	} {
		if wrong := test.debt.settle(test.verdict, test.starts); test.wrong == "" && wrong != "" || !strings.Contains(wrong, test.wrong) {
			t.Errorf("%s: %q, want %q", test.name, wrong, test.wrong)
		}
	}
}

func TestTakeoverIsTheNextStartAfterTheDeath(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_800_000_000+int64(seconds), 0) }
	starts := []beginning{{"run", "host-7", at(10)}, {"run", "host-8", at(30)}}
	f := &finding{starts: map[string][]beginning{"run": starts}, endings: map[string]message{"run": {at: at(40)}}}
	for _, test := range []struct {
		name  string
		death death
		want  time.Duration
	}{
		{"taken over", death{pid: 7, born: at(0), at: at(20), how: byKill}, 10 * time.Second},
		{"by a point", death{pid: 7, born: at(0), at: at(20), how: "run-asked"}, 10 * time.Second},
		{"ended itself", death{pid: 7, born: at(0), at: at(20), how: byStop}, 0},
		{"of another process", death{pid: 9, born: at(0), at: at(20), how: byKill}, 0},
		{"of an earlier process of that number", death{pid: 7, born: at(0), at: at(5), how: byKill}, 0},
		{"ended without another start", death{pid: 8, born: at(0), at: at(35), how: byKill}, 5 * time.Second},
		{"after the verdict", death{pid: 8, born: at(0), at: at(45), how: byKill}, 0},
		{"after another had it", death{pid: 7, born: at(0), at: at(35), how: byKill}, 0},
	} {
		var got time.Duration
		if all := f.takeovers([]death{test.death}); len(all) > 0 {
			got = all[0]
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
