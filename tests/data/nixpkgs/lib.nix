let
  inherit (builtins)
    all
    concatStringsSep
    filter
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    ;

  # must WHAT CHECK VALUE: the value, if it is what it must be.
  must =
    what: check: value:
    if check value then value else throw "stand-in: ${what}, not ${builtins.typeOf value}";

  listOf = check: value: isList value && all check value;
  isDerivation = value: isAttrs value && value.type or null == "derivation";
  derivations = function: must "${function} takes a list of packages" (listOf isDerivation);
  strings = function: must "${function} takes a list of strings" (listOf isString);

  option = value: value // { optional = true; };
  answer = tristate: {
    inherit tristate;
    optional = false;
  };

  escapeShellArg = value: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (must "a string" isString value)}'";
  optional = condition: value: if must "optional's condition is a bool" isBool condition then [ value ] else [ ];

  getOutput =
    name: package:
    (must "getOutput takes a package" isDerivation package).${must "and a string" isString name} or package;
  paths =
    function: folder: packages:
    concatStringsSep ":" (map (p: "${p.lib or p}/${folder}") (derivations function packages));
in
{
  inherit
    escapeShellArg
    getOutput
    isDerivation
    listOf
    must
    optional
    ;
  inherit (builtins) mapAttrs;

  nameValuePair = name: value: { inherit name value; };
  splitString =
    separator: text:
    # In nixpkgs it is a text, here an expression.
    assert separator == "\n";
    filter isString (builtins.split separator text);
  concatMapStringsSep = separator: f: list: concatStringsSep separator (map f (must "a list" isList list));
  escapeShellArgs = list: concatStringsSep " " (map escapeShellArg (strings "escapeShellArgs" list));
  mesonBool =
    name: value: "-D${must "a string" isString name}=${if must "a bool" isBool value then "true" else "false"}";
  makeBinPath = paths "makeBinPath" "bin";
  makeLibraryPath = paths "makeLibraryPath" "lib";
  licenses.mit.spdxId = "MIT";

  kernel = {
    inherit option;
    yes = answer "y";
    no = answer "n";
    module = answer "m";
    freeform = text: {
      freeform = must "freeform takes a string" isString text;
      optional = false;
    };
  };

  # A kernel option as nixpkgs' own module for them has it.
  isKernelOption =
    value:
    isAttrs value
    && isBool value.optional
    && (
      if value ? freeform then
        isString value.freeform && value.freeform != ""
      else
        builtins.elem value.tristate [
          "y"
          "m"
          "n"
        ]
    )
    &&
      builtins.attrNames (
        removeAttrs value [
          "freeform"
          "optional"
          "tristate"
        ]
      ) == [ ];

  mkDefault = content: {
    _type = "override";
    priority = 1000;
    inherit content;
  };
  mkForce = content: {
    _type = "override";
    priority = 50;
    inherit content;
  };

  # makeOverridable F ARGUMENTS: with override and overrideAttrs, as often as one likes.
  makeOverridable =
    let
      make =
        f: arguments:
        let
          result = f arguments;
        in
        result
        // {
          override = more: make f (arguments // (if isFunction more then more arguments else more));
          overrideAttrs = change: make (a: (f a).overrideAttrs change) arguments;
        };
    in
    make;

  isInt = isInt;
}
