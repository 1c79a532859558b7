//! Doc comments: every public function, type, trait, constant and module of the shipped crates has one, and no field or
//! variant has one that only repeats its name and type.

use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use super::{files, root, text};

/// A doc comment of at most so many words on a field or a variant counts as a repetition of its name.
const FILLER_WORDS_MAX: usize = 3;

/// The missing and the needless doc comments of a file.
#[derive(Default)]
struct Docs {
    /// Fields whose comments are published are left alone: users read them.
    has_help: bool,
    unsaid: Vec<String>,
    filler: Vec<String>,
}

/// The doc comment of an item. What is not a text, such as an included file, says something.
fn doc(attributes: &[syn::Attribute]) -> Option<String> {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).map(|attribute| {
        let syn::Meta::NameValue(doc) = &attribute.meta else { return String::new() };
        if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value {
            text.value()
        } else {
            "an included text of a file".to_owned()
        }
    });
    let lines: Vec<String> = lines.collect();
    let said = lines.join("\n").trim().to_owned();
    (!said.is_empty()).then_some(said)
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

/// Whether users read the comments of its fields: as the help of a command line, or as the descriptions of a schema.
fn is_published(attributes: &[syn::Attribute]) -> bool {
    const PUBLISHING: [&str; 5] = ["Args", "JsonSchema", "Parser", "Subcommand", "ValueEnum"];
    attributes.iter().filter_map(|attribute| attribute.meta.require_list().ok()).any(|list| {
        let tokens = list.tokens.to_string();
        let mut words = tokens.split(|letter: char| !letter.is_alphanumeric());
        words.any(|word| PUBLISHING.contains(&word))
    })
}

impl Docs {
    fn ask(&mut self, visibility: &syn::Visibility, attributes: &[syn::Attribute], kind: &str, name: &syn::Ident) {
        if matches!(visibility, syn::Visibility::Public(_)) && doc(attributes).is_none() {
            self.unsaid.push(format!("pub {kind} {name}"));
        }
    }

    fn weigh(&mut self, attributes: &[syn::Attribute], name: &str) {
        let Some(said) = doc(attributes).filter(|_| !self.has_help) else { return };
        // A text in backticks shows how something is written.
        if said.split_whitespace().count() <= FILLER_WORDS_MAX && !said.contains('`') {
            self.filler.push(format!("{name}: \"{said}\""));
        }
    }
}

impl<'a> Visit<'a> for Docs {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        // A module in a file of its own says it there.
        if item.content.is_some() {
            self.ask(&item.vis, &item.attrs, "mod", &item.ident);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.ask(&item.vis, &item.attrs, "fn", &item.sig.ident);
        // Items within a function are private.
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.ask(&item.vis, &item.attrs, "const", &item.ident);
    }

    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.ask(&item.vis, &item.attrs, "static", &item.ident);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.ask(&item.vis, &item.attrs, "type", &item.ident);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.ask(&item.vis, &item.attrs, "struct", &item.ident);
        self.has_help = is_published(&item.attrs);
        visit::visit_item_struct(self, item);
        self.has_help = false;
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.ask(&item.vis, &item.attrs, "enum", &item.ident);
        self.has_help = is_published(&item.attrs);
        visit::visit_item_enum(self, item);
        self.has_help = false;
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.ask(&item.vis, &item.attrs, "trait", &item.ident);
        if matches!(item.vis, syn::Visibility::Public(_)) {
            for member in &item.items {
                let (attributes, kind, name) = match member {
                    syn::TraitItem::Fn(member) => (&member.attrs, "fn", &member.sig.ident),
                    syn::TraitItem::Const(member) => (&member.attrs, "const", &member.ident),
                    syn::TraitItem::Type(member) => (&member.attrs, "type", &member.ident),
                    syn::TraitItem::Macro(_) | syn::TraitItem::Verbatim(_) | _ => continue,
                };
                self.ask(&item.vis, attributes, kind, name);
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if item.trait_.is_none() && !is_test(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.ask(&item.vis, &item.attrs, "fn", &item.sig.ident);
    }

    fn visit_impl_item_const(&mut self, item: &'a syn::ImplItemConst) {
        self.ask(&item.vis, &item.attrs, "const", &item.ident);
    }

    fn visit_field(&mut self, item: &'a syn::Field) {
        let name = item.ident.as_ref().map_or_else(|| "a field".to_owned(), ToString::to_string);
        self.weigh(&item.attrs, &name);
    }

    fn visit_variant(&mut self, item: &'a syn::Variant) {
        self.weigh(&item.attrs, &item.ident.to_string());
        visit::visit_variant(self, item);
    }
}

fn docs(source: &str) -> syn::Result<Docs> {
    let file = syn::parse_file(source)?;
    let mut docs = Docs::default();
    // A file that is a module, or a crate, begins with what it is.
    if doc(&file.attrs).is_none() {
        docs.unsaid.push("the file: no //! at its beginning".to_owned());
    }
    docs.visit_file(&file);
    Ok(docs)
}

/// The sources of what ships, and of the local AWS and the demo. Tests are not among them, nor is what only tests link.
fn shipped(root: &Path) -> Vec<PathBuf> {
    let all = ["shared", "functions", "cli"].iter().flat_map(|folder| files(&root.join(folder), ".rs"));
    let is_shipped =
        |path: &PathBuf| !path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "testkit");
    all.filter(is_shipped).chain(files(&root.join("tests/src"), ".rs")).collect()
}

/// What a part of the docs of each file is, with the path of the file before it.
fn of_all(part: impl Fn(Docs) -> Vec<String>) -> Vec<String> {
    let root = root();
    let sources = shipped(&root);
    assert!(sources.len() > 150, "{} sources", sources.len());
    let of_file = |path: &PathBuf| {
        let docs = docs(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let path = path.strip_prefix(&root).expect("below the root").display().to_string();
        part(docs).into_iter().map(move |line| format!("{path}: {line}")).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of_file).collect()
}

#[test]
fn every_public_function_and_type_says_what_it_is() {
    let unsaid = of_all(|docs| docs.unsaid);
    assert!(unsaid.is_empty(), "{} without a doc comment:\n{}", unsaid.len(), unsaid.join("\n"));
}

#[test]
fn no_field_or_variant_has_a_doc_comment_that_repeats_its_name() {
    let filler = of_all(|docs| docs.filler);
    let limit = FILLER_WORDS_MAX;
    assert!(
        filler.is_empty(),
        "{} of {limit} words or fewer, say more or nothing:\n{}",
        filler.len(),
        filler.join("\n")
    );
}

#[test]
fn what_is_public_and_has_no_docs_is_found_and_what_others_cannot_name_is_not() {
    let source = "//! A file.
        pub fn a() { pub struct Within; } fn b() {} pub(crate) fn c() {}
        /// Said.\n#[derive(Debug)] pub struct D { pub e: u8 }
        pub trait F { fn g(); } impl F for D { fn g() {} }
        impl D { pub fn h(&self) {} fn i() {} pub const J: u8 = 1; }
        pub const K: u8 = 1; pub type L = u8; pub enum M { N } pub mod o { pub fn p() {} } pub mod q;
        #[cfg(test)] pub mod tests { pub fn r() {} }
        #[doc = include_str!(\"a.md\")] pub struct S; ///\npub struct T;";
    let found = docs(source).unwrap().unsaid;
    let expected =
        ["fn a", "trait F", "fn g", "fn h", "const J", "const K", "type L", "enum M", "mod o", "fn p", "struct T"];
    assert_eq!(found, expected.map(|item| format!("pub {item}")));
    assert_eq!(docs("pub use a::B;").unwrap().unsaid, ["the file: no //! at its beginning"]);
}

#[test]
fn few_words_on_a_field_or_a_variant_are_filler_but_for_help_texts() {
    let source = "//! A file.
        /// Two words.\npub struct A { /// The group.\n b: u8, /// The group, in instances.\n c: u8, d: u8 }
        enum E { /// An event.\n F, G(/// The reason.\n u8), H { /// When.\n at: u8 } }
        #[derive(Debug, clap::Parser)] struct I { /// The fleet.\n fleet: u8 }
        #[derive(Subcommand)] enum J { /// Freeze.\n Freeze }
        struct K { /// Late.\n l: u8, /// `a=b`\n m: u8 }";
    let expected =
        ["b: \"The group.\"", "F: \"An event.\"", "a field: \"The reason.\"", "at: \"When.\"", "l: \"Late.\""];
    assert_eq!(docs(source).unwrap().filler, expected);
}
