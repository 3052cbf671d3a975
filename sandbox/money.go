package sandbox

import (
	"fmt"
	"math"
	"strconv"
)

// Money is an amount in hundredths of the currency of the store. In JSON it is a decimal number: 12.5 is Money(1250).
type Money int64

// Rupees is a whole amount.
func Rupees(n int64) Money { return Money(n * 100) }

// String writes two decimals.
func (m Money) String() string { return strconv.FormatFloat(float64(m)/100, 'f', 2, 64) }

// MarshalJSON writes a decimal number.
func (m Money) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(m)/100, 'f', -1, 64), nil
}

// UnmarshalJSON reads a decimal number with at most two decimals, up to a million million.
func (m *Money) UnmarshalJSON(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e12 {
		return fmt.Errorf("%.32s is no amount", text)
	}
	rounded := math.Round(f * 100)
	if math.Abs(rounded-f*100) > 1e-3 {
		return fmt.Errorf("%.32s has more than two decimals", text)
	}
	*m = Money(rounded)
	return nil
}

// share is a part of an amount in hundredths of a percent, rounded half up.
func (m Money) share(basisPoints int64) Money { return (m*Money(basisPoints) + 5000) / 10000 }
