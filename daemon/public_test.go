package daemon_test

import (
	"net/http"
	"testing"
)

// A daemon on loopback is asked under the name of its public_url, as it is in force.
func TestPublicName(t *testing.T) {
	h := build(t, "public_url: https://plumbline.test\n")
	ask := func(host string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Address()+"/v1/services", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	expect := func(wants map[string]int) {
		t.Helper()
		for host, want := range wants {
			if status := ask(host); status != want {
				t.Errorf("%s: %d, want %d", host, status, want)
			}
		}
	}
	expect(map[string]int{h.Address(): 200, "localhost": 200, "plumbline.test": 200, "gates.test": 403})
	h.rewrite(t, "plumbline.yaml", "https://plumbline.test", "https://gates.test")
	if err := h.Reload(t.Context(), load(t, h.config)); err != nil {
		t.Fatal(err)
	}
	expect(map[string]int{h.Address(): 200, "plumbline.test": 403, "gates.test": 200})
}
