package checks

import (
	"reflect"
	"testing"

	"github.com/theory/jsonpath"
)

func pathTo(text string) path {
	p := jsonpath.MustParse(text)
	return path{Path: p, written: text, singular: p.Query().Singular() != nil, steps: stepsOf(p.Query())}
}

var lookedUp = []string{"$", "$.a", "$.a.b", "$['a b'].c", "$.a[0]", "$.a[1].b", "$[2]", "$.é", "$.a[-1]", "$[0][1]", "$['']", `$['\\']`, `$['"']`}

var bodies = []string{
	``, ` `, `null`, `1`, `"a"`, `[]`, `{}`, ` {"a" : { "b" : [ 1 , {} ] } } `, `{"a":1,"a":{"b":2}}`, `{"a":{"b":2},"a":1}`,
	`{"a b":{"c":"x"}}`, `{"a":[{"b":1},{"b":null}]}`, `[1,[2,3],{"a":"]}"}]`, `[[0,-1.50e+3,true],"\"",false]`, `{"\u0061":"é\n"}`,
	`{"é":"\ud83d\ude00"}`, `{"a":"x}`, `{"a":1} 2`, `{"a":1,}`, `{"a":1`, "{\"a\":\"\xff\"}", "{\"\xff\":1,\"a\":2}", `{"":0,"\\":1,"\"":"\\"}`,
	`{"x":"\\","a":{"y":"\\\"}","b":12345678901234567890.10}}`, `{"A":1}`, `[1 2]`,
}

// likeDecoding holds a look-up against the value in the whole body, decoded.
func likeDecoding(t *testing.T, text, body string) {
	t.Helper()
	p := pathTo(text)
	quick, whole := &exchange{body: []byte(body)}, &exchange{body: []byte(body)}
	got, gotErr := quick.at(p)
	p.steps = nil
	want, wantErr := whole.at(p)
	if (gotErr == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
		t.Errorf("%s in %q: %#v %v, want %#v %v", text, body, got, gotErr, want, wantErr)
	}
}

func TestLookUpIsLikeDecoding(t *testing.T) {
	for _, text := range lookedUp {
		for _, body := range bodies {
			likeDecoding(t, text, body)
		}
	}
}

func TestSimplePathsAreLookedUp(t *testing.T) {
	x := &exchange{body: []byte(`{"a":{"b":[1,2]}}`)}
	for range mostLooks {
		if f, err := x.at(pathTo("$.a.b[1]")); err != nil || !f.there || x.parsed {
			t.Fatalf("%v %v, decoded: %t", f, err, x.parsed)
		}
	}
	if f, err := x.at(pathTo("$.a.b[1]")); err != nil || !f.there || !x.parsed {
		t.Errorf("%v %v, decoded: %t, want it by then", f, err, x.parsed)
	}
}

func FuzzLookUp(f *testing.F) {
	for _, body := range bodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, text := range lookedUp {
			likeDecoding(t, text, body)
		}
	})
}
