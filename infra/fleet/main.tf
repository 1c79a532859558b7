locals {
  is_pair   = var.layout != "rolling"
  is_shared = var.layout == "shared"

  # The groups. The first one is live to begin with; from then on Driftless decides, and Terraform keeps out of it.
  groups = (
    local.is_pair
    ? { blue = { name = "${var.name}-blue", color = "blue", is_first = true }, green = { name = "${var.name}-green", color = "green", is_first = false } }
    : { single = { name = var.name, color = null, is_first = true } }
  )

  # The target groups, and which of them each group is attached to.
  target_groups = (
    var.target == null ? toset([]) :
    local.is_shared ? toset(["shared"]) :
    toset(keys(local.groups))
  )

  initial_size = coalesce(var.capacity.initial, var.capacity.min)

  # What Driftless may change carries the name of the fleet: its permissions ask for the tag.
  marked = merge(var.tags, { "driftless:fleet" = var.name })

  # Target groups have at most 32 characters.
  short_name = length(var.name) <= 25 ? var.name : "${substr(var.name, 0, 16)}-${substr(sha1(var.name), 0, 8)}"
}
