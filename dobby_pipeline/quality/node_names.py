"""The names of nodes in the grammars of languages: what is a function, a parameter, a raise.

Not here: what parsing code with them tells (facts.py). A language without a row here has no facts.
"""

from dataclasses import dataclass


def node_set(names: str) -> frozenset[str]:
    """The names of a table, which stand in one string."""
    return frozenset(names.split())


@dataclass(frozen=True)
class Grammar:
    """The names of a language's nodes.

    Attributes:
        functions: definitions of functions.
        types: definitions of classes and the like: behind the first of them nothing is looked for.
        parameters: what counts as one parameter.
        rest: parameters that stand for any number.
        value: the field of a function that names what it returns; empty where there is none.
        raising: statements that raise; empty where the language has none.
    """

    functions: frozenset[str]
    types: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    rest: frozenset[str] = frozenset()
    value: str = ""
    raising: frozenset[str] = frozenset({"throw_statement", "throw_expression", "raise_statement"})


_ECMASCRIPT = Grammar(
    functions=node_set(
        "function_declaration function_expression arrow_function method_definition"
        " generator_function_declaration generator_function"
    ),
    types=node_set("class_declaration class interface_declaration enum_declaration"),
    parameters=node_set(
        "identifier assignment_pattern required_parameter optional_parameter object_pattern"
        " array_pattern"
    ),
    rest=node_set("rest_pattern object_pattern array_pattern"),
)
_C = Grammar(
    functions=node_set("function_definition"),
    types=node_set("struct_specifier class_specifier union_specifier enum_specifier"),
    parameters=node_set("parameter_declaration optional_parameter_declaration"),
    rest=node_set("variadic_parameter variadic_parameter_declaration"),
    value="type",
)
GRAMMARS = {
    "python": Grammar(
        functions=node_set("function_definition lambda"),
        types=node_set("class_definition"),
        parameters=node_set("identifier typed_parameter default_parameter typed_default_parameter"),
        rest=node_set("list_splat_pattern dictionary_splat_pattern"),
    ),
    "javascript": _ECMASCRIPT,
    "typescript": _ECMASCRIPT,
    "tsx": _ECMASCRIPT,
    "java": Grammar(
        functions=node_set("method_declaration constructor_declaration"),
        types=node_set(
            "class_declaration interface_declaration enum_declaration record_declaration"
        ),
        parameters=node_set("formal_parameter"),
        rest=node_set("spread_parameter"),
        value="type",
    ),
    "go": Grammar(
        functions=node_set("function_declaration method_declaration"),
        types=node_set("type_declaration"),
        parameters=node_set("parameter_declaration"),
        rest=node_set("variadic_parameter_declaration"),
        value="result",
        raising=frozenset(),
    ),
    "rust": Grammar(
        functions=node_set("function_item"),
        types=node_set("struct_item enum_item trait_item impl_item mod_item macro_definition"),
        parameters=node_set("parameter"),
        value="return_type",
        raising=frozenset(),
    ),
    "c": _C,
    "cpp": _C,
    "csharp": Grammar(
        functions=node_set("method_declaration constructor_declaration local_function_statement"),
        types=node_set(
            "class_declaration struct_declaration interface_declaration enum_declaration"
        ),
        parameters=node_set("parameter"),
        rest=node_set("parameter_array"),
        value="returns",
    ),
    "php": Grammar(
        functions=node_set("function_definition method_declaration"),
        types=node_set(
            "class_declaration interface_declaration trait_declaration enum_declaration"
        ),
        parameters=node_set("simple_parameter property_promotion_parameter"),
        rest=node_set("variadic_parameter"),
    ),
}
