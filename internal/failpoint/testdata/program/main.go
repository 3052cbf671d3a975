// Program reaches a point twice.
package main

import (
	"fmt"

	"github.com/plumbline-dev/plumbline/internal/failpoint"
)

func main() {
	failpoint.Reach(failpoint.RunAsked)
	fmt.Println("once")
	failpoint.Reach(failpoint.RunAsked)
	fmt.Println("twice")
}
