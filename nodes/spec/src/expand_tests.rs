use super::*;

fn render(command: &str) -> String {
    let template = Template::parse(command).unwrap_or_else(|error| panic!("{error}"));
    let value = |reference: &Reference| match reference {
        Reference::Input(name) => (name != "absent").then(|| format!("<{name}>")),
        Reference::Output(name) => Some(format!("/out/{name}")),
        Reference::Name => Some("run-1".to_owned()),
    };
    template.render(value).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn references_become_values_verbatim() {
    assert_eq!(render("a ${{inputs.x}} b ${{outputs.y}}/f ${{name}}"), "a <x> b /out/y/f run-1");
    assert_eq!(render("${{ inputs.x }}${{inputs.x}}"), "<x><x>");
    assert_eq!(render("echo $HOME ${X} $((1+1)) {a} $[1] é"), "echo $HOME ${X} $((1+1)) {a} $[1] é");
    let template = Template::parse("echo ${{inputs.x}}").unwrap();
    assert_eq!(template.render(|_| Some("$(rm -r /) '\"".to_owned())).unwrap(), "echo $(rm -r /) '\"");
}

#[test]
fn values_are_not_expanded_again() {
    let template = Template::parse("echo ${{inputs.x}}").unwrap();
    assert_eq!(template.render(|_| Some("${{inputs.x}}".to_owned())).unwrap(), "echo ${{inputs.x}}");
}

#[test]
fn optional_parts_vanish_when_something_in_them_is_absent() {
    assert_eq!(render("train $[[--lr ${{inputs.lr}}]] end"), "train --lr <lr> end");
    assert_eq!(render("train $[[--lr ${{inputs.absent}}]] end"), "train  end");
    assert_eq!(render("$[[${{inputs.x}} ${{inputs.absent}}]]"), "");
    assert_eq!(render("$[[plain]]"), "plain");
    assert_eq!(render("[[ -f x ]] && $[[a]] ]]"), "[[ -f x ]] && a ]]");
}

#[test]
fn a_required_reference_without_a_value_is_an_error() {
    let error = Template::parse("x ${{inputs.absent}}").unwrap().render(|_| None).unwrap_err();
    assert_eq!(error.to_string(), "command: `${{inputs.absent}}` has no value");
}

#[test]
fn what_is_not_closed_is_refused_where_it_starts() {
    let error = Template::parse("echo\n  é ${{inputs.x").unwrap_err();
    assert_eq!(error.to_string(), "2:5: command: an expression is not closed: `}}` is missing");
    let error = Template::parse("a $[[b ${{inputs.x}}").unwrap_err();
    assert_eq!(error.to_string(), "1:3: command: an optional part is not closed: `]]` is missing");
    let error = Template::parse("a $[[b ${{inputs.x ]]").unwrap_err();
    assert_eq!(error.to_string(), "1:8: command: an expression is not closed: `}}` is missing");
}

#[test]
fn foreign_references_are_refused() {
    for command in ["${{parent.inputs.x}}", "${{search_space.x}}", "${{}}", "${{inputs}}", "${{inputs.a b}}"]
    {
        assert!(
            matches!(Template::parse(command).unwrap_err().problem(), Problem::Expression { .. }),
            "{command}"
        );
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known() {
    let check = |command: &str| {
        let template = Template::parse_parts(command).unwrap();
        template.check_inputs(["epochs", "data"].into_iter())?;
        template.check_outputs(["model"].into_iter())
    };
    assert_eq!(check("${{inputs.epochs}} ${{outputs.model}} ${{name}} $[[${{inputs.maybe}}]]"), Ok(()));
    let flaw = check("${{inputs.epoch}}").unwrap_err();
    assert_eq!(flaw.nearest.as_deref(), Some("inputs.epochs"));
    assert_eq!(flaw.fragment, "inputs.epoch");
    assert_eq!(check("$[[${{outputs.modell}}]]").unwrap_err().nearest.as_deref(), Some("outputs.model"));
    assert_eq!(check("${{inputs.data.path}}").unwrap_err().nearest.as_deref(), Some("inputs.data"));
}

#[test]
fn references_are_listed_in_order() {
    let template = Template::parse("${{outputs.b}} $[[${{inputs.a}}]] ${{name}}").unwrap();
    let all: Vec<String> = template.references().map(Reference::to_string).collect();
    assert_eq!(all, ["outputs.b", "inputs.a", "name"]);
}

#[test]
fn single_braces_are_doubled_as_the_real_client_does() {
    for (written, read) in [
        ("echo {inputs.a} {outputs.b}", "echo ${{inputs.a}} ${{outputs.b}}"),
        ("echo {search_space.x}", "echo ${{search_space.x}}"),
        ("echo ${{inputs.a}}", "echo ${{inputs.a}}"),
        ("echo {{inputs.a}}", "echo {{inputs.a}}"),
        ("echo {inputs.a}}", "echo {inputs.a}}"),
        ("echo {other.a} {inputs} ${X} {", "echo {other.a} {inputs} ${X} {"),
        ("{é{inputs.a}", "{é${{inputs.a}}"),
    ] {
        assert_eq!(double_braces(written), read);
    }
}
