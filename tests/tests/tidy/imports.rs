//! Imports of the planner go one way: types below steps below `decide`. A cycle of modules can only be read as a whole,
//! so only a parent and its children may form one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};

use super::{files, root, text};

/// A module, by the names from the crate's root on.
type Module = Vec<String>;

/// The paths that a module names, from the crate's root on.
struct Paths<'m> {
    module: &'m Module,
    found: BTreeSet<Module>,
}

impl Paths<'_> {
    fn name(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        let from_root = match first.as_str() {
            "crate" => rest.to_vec(),
            "self" => [self.module, rest].concat(),
            "super" => [self.module.split_last().map_or(&[][..], |(_, parent)| parent), rest].concat(),
            // A child of the module, or another crate, of which no module here has the name.
            _ => [self.module, path].concat(),
        };
        self.found.insert(from_root);
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            syn::UseTree::Name(name) => self.name(&[before.as_slice(), &[name.ident.to_string()]].concat()),
            syn::UseTree::Rename(name) => self.name(&[before.as_slice(), &[name.ident.to_string()]].concat()),
            syn::UseTree::Glob(_) => self.name(before),
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

impl<'a> Visit<'a> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.name(&names);
        visit::visit_path(self, path);
    }
}

/// The modules below a folder with their imports. The crate's root is left out: it only re-exports.
fn imports(source: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let name = |path: &Path| -> Module {
        let path = path.strip_prefix(source).expect("it was found there").with_extension("");
        path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    let parsed = files(source, ".rs").into_iter().map(|path| {
        let parsed = syn::parse_file(&text(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (name(&path), parsed)
    });
    let mut parsed: BTreeMap<Module, syn::File> = parsed.collect();
    let root = parsed.remove(&vec!["lib".to_owned()]).expect("a crate has a root");
    let shown = shown(&root);
    let of_module = |module: &Module, parsed_module: &syn::File| {
        let mut paths = Paths { module, found: BTreeSet::new() };
        paths.visit_file(parsed_module);
        // The longest part of a path that is a module is the one that it needs.
        let needed = paths.found.into_iter().filter_map(|path| {
            let path = match path.split_first().and_then(|(first, rest)| Some((shown.get(first)?, rest))) {
                Some((home, rest)) => [home.as_slice(), rest].concat(),
                None => path,
            };
            let parts = (1..=path.len()).rev().filter_map(|end| path.get(..end));
            parts.map(<[String]>::to_vec).find(|module| parsed.contains_key(module))
        });
        needed.filter(|needed| needed != module).collect()
    };
    parsed.iter().map(|(module, file)| (module.clone(), of_module(module, file))).collect()
}

/// The names that the crate's root re-exports, with their modules.
fn shown(root: &syn::File) -> BTreeMap<String, Module> {
    let root_of_crate = Vec::new();
    let uses = root.items.iter().filter_map(|item| {
        let syn::Item::Use(item) = item else { return None };
        Some(item)
    });
    let mut shown = BTreeMap::new();
    for item in uses {
        let mut paths = Paths { module: &root_of_crate, found: BTreeSet::new() };
        paths.tree(&item.tree, &mut vec!["crate".to_owned()]);
        shown.extend(paths.found.into_iter().filter_map(|path| Some((path.last()?.clone(), path))));
    }
    shown
}

/// Everything that a module needs, directly or by others.
fn needs(all: &BTreeMap<Module, BTreeSet<Module>>, module: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = all.get(module).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(all.get(module).into_iter().flatten());
        }
    }
    reached
}

/// The cycles beyond a parent and its children, with the imports that form them.
fn circles(all: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reached: BTreeMap<&Module, BTreeSet<Module>> = all.keys().map(|module| (module, needs(all, module))).collect();
    let mut circles: BTreeSet<BTreeSet<Module>> = BTreeSet::new();
    for (module, needed) in &reached {
        let needs_it = |other: &&Module| reached.get(*other).is_some_and(|needed| needed.contains(*module));
        let circle = needed.iter().filter(needs_it).cloned();
        circles.insert(circle.collect());
    }
    circles.retain(|circle| !circle.iter().any(|parent| circle.iter().all(|module| module.starts_with(parent))));
    let told = circles.into_iter().filter(|circle| !circle.is_empty()).map(|circle| {
        let lines = circle.iter().map(|module| {
            let needed = all.get(module).into_iter().flatten().filter(|needed| circle.contains(*needed));
            let needed: Vec<String> = needed.map(|needed| needed.join("::")).collect();
            format!("{} needs {}\n", module.join("::"), needed.join(", "))
        });
        lines.collect::<String>()
    });
    told.collect()
}

#[test]
fn no_module_of_the_planner_is_in_a_circle_beyond_a_parent_and_its_children() {
    let all = imports(&root().join("shared/planner/src"));
    assert!(all.len() > 60, "{}", all.len());
    let found = circles(&all);
    assert!(found.is_empty(), "modules that need each other:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_whether_two_modules_make_it_or_three_and_a_family_is_none() {
    let module = |name: &str| -> Module { name.split("::").map(ToOwned::to_owned).collect() };
    let graph = |edges: &[(&str, &str)]| {
        let mut all: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (from, to) in edges {
            all.entry(module(to)).or_default();
            all.entry(module(from)).or_default().insert(module(to));
        }
        circles(&all).len()
    };
    assert_eq!(graph(&[("a", "b"), ("b", "c")]), 0);
    assert_eq!(graph(&[("a", "b"), ("b", "a")]), 1);
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("c", "a")]), 1);
    assert_eq!(graph(&[("a", "a::b"), ("a::b", "a")]), 0, "a parent and its child");
    assert_eq!(graph(&[("a::b", "a::c"), ("a::c", "a::b")]), 1, "two children without their parent");
    assert_eq!(graph(&[("a", "a::b"), ("a::b", "a"), ("a::b", "c"), ("c", "a")]), 1, "a stranger in the family");
}

#[test]
fn paths_count_wherever_they_stand_but_for_tests() {
    let module = vec!["home".to_owned()];
    let mut paths = Paths { module: &module, found: BTreeSet::new() };
    let source = "use crate::one::{A, two::B as C}; pub use child::F; fn f() -> crate::three::D { super::four::g() }
                  #[cfg(test)] mod tests { use crate::five::E; }";
    paths.visit_file(&syn::parse_file(source).unwrap());
    let found: Vec<String> = paths.found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["four::g", "home::child::F", "one::A", "one::two::B", "three::D"]);
}
