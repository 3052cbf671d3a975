package sandbox_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/sandbox"
)

const (
	vouchers = "plumProAPI.mutation.getVouchers"
	filters  = "plumProAPI.mutation.getFilters"
	balance  = "plumProAPI.query.getBalance"
	place    = "plumProAPI.mutation.placeOrder"
	details  = "plumProAPI.mutation.getOrderDetails"
	history  = "plumProAPI.mutation.getOrderHistory"
	payments = "plumProAPI.mutation.paymentHistory"
	points   = "storesAdmin.query.user_balance"
	send     = "storesAdmin.mutation.sendBalance"
	cancel   = "storesAdmin.mutation.cancelBalance"
)

func orderOf(po string) string {
	return fmt.Sprintf(`{"productId":16001,"quantity":2,"denomination":50,"email":"a@acme.example","contact":"","tag":"t","poNumber":%q,"notifyReceiverEmail":0,"notifyAdminEmail":0}`, po)
}

func TestOperationsAnswerInTheDocumentedShape(t *testing.T) {
	s := start(t, sandbox.Options{})
	c := login(t, s.BlueURL)
	if a := c.api(place, orderOf("first")); a.status != 200 {
		t.Fatalf("placeOrder answered %d %s", a.status, a.text)
	}
	for _, test := range []struct {
		query, data string
		want        string // a piece of the answer
	}{
		{vouchers, `{"limit":2,"page":1}`, `"productId":16001,"name":"Amazon Gift Voucher"`},
		{vouchers, `{"limit":2,"page":1}`, `"valueDenominations":"10,20,50,100,500"`},
		{vouchers, `{"limit":100,"page":9}`, `"data":[]`},
		{vouchers, `{"filters":[{"key":"productName","value":"swiggy"}]}`, `"data":[{"productId":16007,`},
		{vouchers, `{"filters":[{"key":"country","value":"France"}]}`, `"data":[]`},
		{filters, `{}`, `"filterGroupCode":"voucher_category"`},
		{filters, `{"filterGroupCode":"country"}`, `"data":[{"filterGroupName":"Country","filterGroupCode":"country","filters":[{"filterValue":"India","filterValueCode":"IN"}]}]`},
		{balance, `{}`, `{"data":{"getBalance":{"data":{"currency":"INR","value":9999900},"status":1}}}`},
		{details, `{"poNumber":"first"}`, `"orderTotal":100,"amountCharged":100,"currencyCode":"INR","orderStatus":"complete"`},
		{details, `{"orderId":1000001}`, `"poNumber":"first"`},
		{history, `{"limit":10,"page":1}`, `"total":1`},
		{payments, `{}`, `"payments":[{"id":1,"amount":10000000,"type":"deposit"`},
		{points, `{"email":"new@acme.example"}`, `"points":0`},
		{send, `{"email":"a@acme.example","points":7}`, `"transactionId":"TXN-00000001","email":"a@acme.example","points":7,"cancelled":false`},
		{points, `{"email":"a@acme.example"}`, `"points":7`},
		{cancel, `{"transactionId":"TXN-00000001"}`, `"cancelled":true`},
		{points, `{"email":"a@acme.example"}`, `"points":0`},
	} {
		t.Run(test.query+test.data, func(t *testing.T) {
			a := c.api(test.query, test.data)
			name := test.query[strings.LastIndexByte(test.query, '.')+1:]
			if a.status != 200 || a.member("data", name, "status") != 1.0 || !strings.Contains(a.text, test.want) {
				t.Errorf("answered %d %s, want 200 with %s", a.status, a.text, test.want)
			}
			if got := a.header.Get(sandbox.ColorHeader); got != "blue" {
				t.Errorf("answered by %q, want blue", got)
			}
		})
	}
}

func TestRefusalsAreInTheDocumentedShape(t *testing.T) {
	s := start(t, sandbox.Options{Opening: sandbox.Rupees(1000), TopUp: -1})
	c := login(t, s.GreenURL)
	c.api(place, orderOf("used"))
	c.api(send, `{"email":"a@acme.example","points":1}`)
	c.api(cancel, `{"transactionId":"TXN-00000001"}`)
	for _, test := range []struct {
		query, data string
		status      int
		error, text string
	}{
		{"plumProAPI.mutation.nothing", `{}`, 404, "not_found", "plumProAPI.mutation.nothing"},
		{"", `{}`, 400, "invalid_request", "query is missing"},
		{vouchers, `{"limit":0}`, 400, "invalid_request", "limit is 0, want 1 to 100"},
		{vouchers, `{"limit":101}`, 400, "invalid_request", "limit is 101"},
		{vouchers, `{"limit":"ten"}`, 400, "invalid_request", "limit is a string, want int"},
		{vouchers, `{"page":0}`, 400, "invalid_request", "page is 0"},
		{vouchers, `{"filters":[{"key":"colour","value":"red"}]}`, 400, "invalid_request", `unknown filter "colour"`},
		{filters, `{"filterGroupCode":"x"}`, 400, "invalid_request", "unknown filterGroupCode"},
		{place, orderOf("used"), 422, "duplicate_po_number", `"used" was used`},
		{place, orderOf(""), 400, "invalid_request", "poNumber has 0 bytes"},
		{place, orderOf("link-abc"), 400, "invalid_request", "kept for reward links"},
		{place, strings.Replace(orderOf("x"), "16001", "1", 1), 404, "not_found", "no product 1"},
		{place, strings.Replace(orderOf("x"), "50", "51", 1), 400, "invalid_request", "denomination is 51.00"},
		{place, strings.Replace(orderOf("x"), "50", "50.001", 1), 400, "invalid_request", "more than two decimals"},
		{place, strings.Replace(orderOf("x"), ":2,", ":0,", 1), 400, "invalid_request", "quantity is 0"},
		{place, strings.Replace(orderOf("x"), "a@acme.example", "A <a@acme.example>", 1), 400, "invalid_request", "want an address"},
		{place, strings.NewReplacer("50", "500", ":2,", ":10,").Replace(orderOf("x")), 422, "insufficient_balance", "the balance is 900.00 INR"},
		{details, `{"poNumber":"never"}`, 404, "not_found", "no such order"},
		{details, `{}`, 400, "invalid_request", "either orderId or poNumber"},
		{points, `{"email":"nobody"}`, 400, "invalid_request", "want an address"},
		{send, `{"email":"a@acme.example","points":0}`, 400, "invalid_request", "points is 0"},
		{cancel, `{"transactionId":"TXN-9"}`, 404, "not_found", "TXN-9"},
		{cancel, `{"transactionId":"TXN-00000001"}`, 422, "already_cancelled", "cancelled before"},
		{cancel, `{}`, 400, "invalid_request", "transactionId is missing"},
		{balance, `{},`, 400, "invalid_request", "no such JSON"},
	} {
		t.Run(test.query+test.data, func(t *testing.T) {
			a := c.api(test.query, test.data)
			if a.status != test.status || a.member("error") != test.error {
				t.Errorf("answered %d %s, want %d %s", a.status, a.text, test.status, test.error)
			}
			if text, _ := a.member("error_description").(string); !strings.Contains(text, test.text) {
				t.Errorf("said %q, want %q in it", text, test.text)
			}
			for _, key := range []string{"code", "errorId", "errorInfo"} {
				if a.member(key) == nil {
					t.Errorf("no %s in %s", key, a.text)
				}
			}
		})
	}
	if got := s.Accounts(); got.Balance != sandbox.Rupees(900) || got.Orders != 1 {
		t.Errorf("after refusals: %+v, want one order and 900 left", got)
	}
}

func TestLogin(t *testing.T) {
	s := start(t, sandbox.Options{})
	blue := caller{t: t, base: s.BlueURL}
	for name, test := range map[string]struct {
		key, value, want string
	}{
		"no grant":      {"grant_type", "", "invalid_request"},
		"other grant":   {"grant_type", "password", "unsupported_grant_type"},
		"wrong client":  {"client_id", "somebody", "invalid_client"},
		"wrong secret":  {"client_secret", "wrong", "invalid_client"},
		"secret absent": {"client_secret", "", "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			form := rightForm()
			form.Set(test.key, test.value)
			a := blue.form(form)
			if a.status != 400 || a.member("error") != test.want || len(a.body) != 2 {
				t.Errorf("answered %d %s, want 400 %s", a.status, a.text, test.want)
			}
		})
	}
	for _, token := range []string{"", "made-up"} {
		for _, path := range []string{"/chef/v1/oauth/token", "/chef/v1/admin/budgets"} {
			if a := blue.with(token).get(path); a.status != 401 || a.member("errorId") == nil {
				t.Errorf("%s with token %q answered %d %s, want 401", path, token, a.status, a.text)
			}
		}
	}
}

// A clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestATokenIsGoodOnBothColorsUntilItEnds(t *testing.T) {
	now := &clock{now: time.Now()}
	s := start(t, sandbox.Options{Clock: now.Now})
	if err := s.Blue.SetConfig(sandbox.Config{TokenTTL: sandbox.Wait(10 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	green := login(t, s.BlueURL).at(s.GreenURL)
	now.add(9 * time.Second)
	if a := green.get("/chef/v1/oauth/token"); a.status != 200 || a.member("expires_in") != 1.0 {
		t.Errorf("a token of blue on green answered %d %s, want 200 for a second more", a.status, a.text)
	}
	now.add(time.Second)
	if a := green.get("/chef/v1/oauth/token"); a.status != 401 {
		t.Errorf("after its end answered %d, want 401", a.status)
	}
}

func TestARewardLinkIsPaidOnceAndRedeemedOnce(t *testing.T) {
	s := start(t, sandbox.Options{})
	c := login(t, s.BlueURL)
	made := c.post("/chef/v1/oauth/api/generateLink", `{"query":"xoxo_link.mutation.generateLink","tag":"xoxo_link","variables":{"data":{"denomination":25}}}`)
	path, _ := made.of("generateLink", "link").(string)
	if made.status != 200 || path == "" {
		t.Fatalf("answered %d %s", made.status, made.text)
	}
	if got := s.Accounts().Charged; got != sandbox.Rupees(25) {
		t.Errorf("charged %s, want 25.00", got)
	}
	choice := `{"productId":16001,"email":"a@acme.example"}`
	green := c.at(s.GreenURL)
	if a := green.post(path, choice); a.status != 200 || a.of("redeem", "orderTotal") != 25.0 {
		t.Errorf("redeeming answered %d %s", a.status, a.text)
	}
	if a := c.post(path, choice); a.status != 422 || a.member("error") != "already_redeemed" {
		t.Errorf("redeeming again answered %d %s, want 422", a.status, a.text)
	}
	if got := s.Accounts(); got.Charged != sandbox.Rupees(25) || got.Orders != 1 {
		t.Errorf("%+v, want one order and 25.00 charged", got)
	}
	if a := c.post("/chef/v1/links/none/redeem", choice); a.status != 404 {
		t.Errorf("an unknown link answered %d, want 404", a.status)
	}
	if a := c.post("/chef/v1/oauth/api/generateLink", `{"query":"other"}`); a.status != 404 {
		t.Errorf("another operation answered %d, want 404", a.status)
	}
}

func TestOrdersAreDelivered(t *testing.T) {
	s := start(t, sandbox.Options{})
	c := login(t, s.BlueURL)
	if a := c.api(place, orderOf("po")); a.of(place, "deliveryStatus") != "pending" {
		t.Errorf("at first: %s, want pending", a.text)
	}
	eventually(t, "delivery", func() bool {
		list, _ := c.at(s.GreenURL).api(details, `{"poNumber":"po"}`).of(details, "vouchers").([]any)
		return len(list) == 2 && member(list[0], "code") != member(list[1], "code")
	})
}

// patience is as long as a busy machine may take. Nothing waits for it that went well.
const patience = time.Minute

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %s", what, patience)
		}
	}
}

func TestMoneyAndPointsStayTrueUnderLoad(t *testing.T) {
	s := start(t, sandbox.Options{Opening: sandbox.Rupees(3000), TopUp: -1})
	c := login(t, s.BlueURL)
	var mu sync.Mutex
	statuses := map[int]int{}
	var users sync.WaitGroup
	for user := range 8 {
		users.Go(func() {
			own := c.at([]string{s.BlueURL, s.GreenURL}[user%2])
			for i := range 6 {
				a := own.api(place, orderOf(fmt.Sprintf("po-%d-%d", user/2, i))) // two users fight for each poNumber
				mu.Lock()
				statuses[a.status]++
				mu.Unlock()
				sent := own.api(send, `{"email":"a@acme.example","points":3}`)
				if id, _ := sent.of(send, "transactionId").(string); i%2 == 0 {
					own.api(cancel, `{"transactionId":"`+id+`"}`)
				}
			}
		})
	}
	users.Wait()
	if statuses[200] != 24 || statuses[422] != 24 {
		t.Errorf("orders answered %v, want 24 × 200 and 24 × 422", statuses)
	}
	money := s.Accounts()
	if want := (sandbox.Accounts{Paid: 300000, Charged: 240000, Balance: 60000, Orders: 24}); money != want {
		t.Errorf("money %+v, want %+v", money, want)
	}
	ledger := s.Points()
	if want := (sandbox.Ledger{Sent: 144, Cancelled: 72, Held: 72, Users: 1, Entries: 48}); ledger != want {
		t.Errorf("points %+v, want %+v", ledger, want)
	}
}

func TestTheBalanceIsToppedUp(t *testing.T) {
	s := start(t, sandbox.Options{Opening: sandbox.Rupees(150)})
	c := login(t, s.BlueURL)
	for i := range 3 {
		if a := c.api(place, orderOf(fmt.Sprint(i))); a.status != 200 {
			t.Errorf("order %d answered %d %s", i, a.status, a.text)
		}
	}
	if got := s.Accounts(); got.Paid != got.Balance+got.Charged || got.Paid != sandbox.Rupees(450) {
		t.Errorf("%+v, want 450 paid in by a deposit and two top-ups", got)
	}
}
