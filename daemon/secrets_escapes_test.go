package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// escaping repeats what it heard in the escapes of environments that aren't written in Go, as Gson does in the body.
func escaping(w http.ResponseWriter, heard, authorization string) {
	gson := strings.NewReplacer("=", `\u003d`, "'", `\u0027`, "/", `\/`)
	inner, _ := json.Marshal(heard)
	var units, dotnet strings.Builder
	for _, c := range heard { // ASCII
		fmt.Fprintf(&units, `\u%04x`, c)
		if strings.ContainsRune("\"&'+<>`", c) {
			fmt.Fprintf(&dotnet, `\u%04X`, c)
		} else {
			dotnet.WriteRune(c)
		}
	}
	component := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(heard))
	body, _ := json.Marshal(map[string]string{"authorization": authorization, "component": component, "dotnet": dotnet.String(),
		"gson": gson.Replace(string(inner)), "late": strings.Repeat("x", 450) + gson.Replace(authorization), "units": units.String()})
	_, _ = gson.WriteString(w, string(body))
}

const escapesWanted = `{$.authorization: no, $.component: no, $.dotnet: {eq: no}, $.gson: no, $.late: no, $.units: {contains: no}, body: {starts_with: no}, $: {type: string}}`
