package bench

import (
	"math"
	"math/rand/v2"
)

// Uniform returns a function that picks numbers below n, all as often.
func Uniform(n int) func(*rand.Rand) int { return func(r *rand.Rand) int { return r.IntN(n) } }

// skew is that of YCSB: of a million keys the first has about seven of a hundred requests.
const skew = 0.99

// Zipfian returns a function that picks numbers below n, of which k is picked as often as
// 1/(k+1)^0.99: the method of Gray and others, "Quickly Generating Billion-Record
// Synthetic Databases", 1994.
func Zipfian(n int) func(*rand.Rand) int {
	zeta := 0.0
	for i := 1; i <= n; i++ {
		zeta += 1 / math.Pow(float64(i), skew)
	}
	two := 1 + math.Pow(0.5, skew)
	alpha := 1 / (1 - skew)
	eta := (1 - math.Pow(2/float64(n), 1-skew)) / (1 - two/zeta)
	return func(r *rand.Rand) int {
		u := r.Float64()
		switch z := u * zeta; {
		case z < 1:
			return 0
		case z < two:
			return min(1, n-1)
		}
		return min(n-1, int(float64(n)*math.Pow(eta*u-eta+1, alpha)))
	}
}
