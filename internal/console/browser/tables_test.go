package browser

import (
	"testing"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestTables(t *testing.T) {
	c := start(t, settings{tables: []onebox.Table{{Name: "orders", Partitions: 4}}})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.click("nav a", "Tables")
	w.click("button", "Create a table")
	w.fill("Name", "users")
	w.fill("Partitions", "4")
	w.fill("Environment", "default_ttl=3600")
	w.waitText("dialog code", "pegasus table create users --partitions 4 --replicas 3 --env default_ttl=3600")
	w.click("dialog button", "Create")
	w.waitText(".toast", "Table users was made")
	w.waitText("td button", "users")

	w.click("td button", "users")
	w.waitText("td.mono", "default_ttl")
	w.click("button", "Set a variable")
	w.fill("Variable", "replica.write_throttling")
	w.fill("Value", "soon")
	w.click("dialog button", "Set")
	w.allow("status of 502")
	w.waitText("dialog .error", "soon")
	w.fill("Variable", "business.info")
	w.fill("Value", "<b>hi</b>")
	w.click("dialog button", "Set")
	w.waitText("td.mono", "<b>hi</b>")
	w.click("td button", "Remove")
	w.click("dialog button", "Remove")
	w.waitText(".toast", "business.info was removed.")

	c.box.HoldSplits(true)
	w.click("button", "Split")
	w.click("dialog button", "Split")
	w.waitText(".going", "split to 8 partitions")
	w.click(".going button", "Pause the split")
	w.waitText(".going", "paus")
	w.click(".going button", "Resume")
	w.waitText(".going", "splitting")
	c.box.HoldSplits(false)
	w.waitText("dd", "8")
	w.wait(`!document.querySelector(".going")`)

	w.click("button", "Compact")
	w.click("dialog button", "Compact")
	w.waitText("[role=status] .note", "The last compaction is complete.")

	w.click("button", "Rename")
	w.fill("New name", "people")
	w.click("dialog button", "Rename")
	w.waitText("td button", "people")

	w.click("button", "Drop")
	w.wait(`document.querySelector("dialog button.danger").disabled`)
	w.fill("To confirm", "people")
	w.waitText("dialog code", "pegasus table drop people --yes")
	w.click("dialog button", "Drop")
	w.waitText("h2", "Dropped, and can be recalled")
	w.click("button", "Recall")
	w.fill("Under the name", "users")
	w.click("dialog button", "Recall")
	w.waitText("td button", "users")

	tables, err := c.admin.Tables(t.Context(), admin.TableAvailable)
	if err != nil || len(tables) != 2 || tables[1].Name != "users" || tables[1].Partitions != 8 {
		t.Errorf("%+v, %v", tables, err)
	}
	w.fill("Show tables", "order")
	w.wait(`[...document.querySelectorAll("td button.plain")].filter((b) => b.getClientRects().length).every((b) => b.textContent !== "users")`)
}
