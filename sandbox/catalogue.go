package sandbox

import (
	"strings"
)

// A product is a voucher of the catalogue, as the API shows it.
type product struct {
	ID            int    `json:"productId"`
	Name          string `json:"name"`
	Description   string `json:"description"`
	Category      string `json:"categories"`
	MinValue      Money  `json:"minValue"`
	MaxValue      Money  `json:"maxValue"`
	Denominations string `json:"valueDenominations"`
	Fee           Money  `json:"fee"`      // percent
	Discount      Money  `json:"discount"` // percent
	CountryCode   string `json:"countryCode"`
	CountryName   string `json:"countryName"`
	CurrencyCode  string `json:"currencyCode"`
	DeliveryType  string `json:"deliveryType"`
	UsageType     string `json:"usageType"`
	ImageURL      string `json:"imageUrl"`

	values []Money
}

// The catalogue of the sandbox: names by category. Ids follow the order of the list.
var shelves = []struct {
	category string
	names    []string
}{
	{"shopping", []string{"Amazon", "Flipkart", "Myntra", "Croma", "Lifestyle", "Decathlon"}},
	{"food", []string{"Swiggy", "Zomato", "Dominos", "Starbucks", "BigBasket"}},
	{"travel", []string{"MakeMyTrip", "Cleartrip", "Uber", "Ola", "IRCTC"}},
	{"experiences", []string{"Spa Day", "Cooking Class", "Hot Air Balloon", "Escape Room"}},
	{"donations", []string{"Give India", "Akshaya Patra", "Goonj", "CRY"}},
}

const firstProduct = 16_001

// newCatalogue lists the vouchers that both colors sell.
func newCatalogue() []product {
	list := []product{}
	for shelf, s := range shelves {
		for i, name := range s.names {
			fee := Money(50 * (i % 3))
			list = append(list, product{ID: firstProduct + len(list), Name: name + " Gift Voucher",
				Description: "A gift voucher of " + name + " for people who did well.", Category: s.category,
				MinValue: Rupees(10), MaxValue: Rupees(500), Denominations: "10,20,50,100,500",
				Fee: fee, Discount: Money(100 * (shelf % 3)), CountryCode: "IN", CountryName: "India", CurrencyCode: currency,
				DeliveryType: "realtime", UsageType: "online",
				ImageURL: "https://img.plum.example/" + strings.ToLower(strings.ReplaceAll(name, " ", "-")) + ".png",
				values:   []Money{Rupees(10), Rupees(20), Rupees(50), Rupees(100), Rupees(500)}})
		}
	}
	return list
}

func (p product) sells(value Money) bool {
	for _, v := range p.values {
		if v == value {
			return true
		}
	}
	return false
}

// price is what a total of this product costs: its fee on top, its discount off. Percent with two decimals are
// hundredths of a percent.
func (p product) price(total Money) Money {
	return total + total.share(int64(p.Fee)) - total.share(int64(p.Discount))
}

// A filterGroup is a way to narrow the catalogue.
type filterGroup struct {
	Name    string        `json:"filterGroupName"`
	Code    string        `json:"filterGroupCode"`
	Filters []filterValue `json:"filters"`
}

type filterValue struct {
	Value string `json:"filterValue"`
	Code  string `json:"filterValueCode"`
}

func filterGroups() []filterGroup {
	categories := []filterValue{}
	for _, s := range shelves {
		categories = append(categories, filterValue{strings.ToUpper(s.category[:1]) + s.category[1:], s.category})
	}
	return []filterGroup{
		{"Country", "country", []filterValue{{"India", "IN"}}},
		{"Currency", "currencyCode", []filterValue{{"Indian Rupee", currency}}},
		{"Category", "voucher_category", categories},
	}
}

// matches says whether a product stays in the catalogue under a filter; known is false for a filter that there isn't.
func (p product) matches(key, value string) (match, known bool) {
	switch key {
	case "country":
		return strings.EqualFold(p.CountryCode, value) || strings.EqualFold(p.CountryName, value), true
	case "currencyCode":
		return strings.EqualFold(p.CurrencyCode, value), true
	case "voucher_category":
		return strings.EqualFold(p.Category, value), true
	case "productName":
		return strings.Contains(strings.ToLower(p.Name), strings.ToLower(value)), true
	}
	return false, false
}
