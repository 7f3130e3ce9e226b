# NixOS, as far as our guest goes: the options that it sets, with their types, and the script that starts the VM. An option
# that isn't here is an error, as it is in NixOS.
{ lib, pkgs }:
{
  modules,
}:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    functionArgs
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    map
    ;

  type = check: what: default: {
    _type = "option";
    inherit check what default;
  };
  bool = type isBool "a bool";
  positive = type (value: isInt value && value > 0) "a positive number";
  string = type isString "a string";
  list = check: type (lib.listOf check) "a list of what it must be" [ ];
  isParameter = value: isString value && builtins.match ''([^"[:space:]]|"[^"]*")+'' value != null;

  always = {
    boot = {
      consoleLogLevel = type isInt "a number" 4;
      kernelPackages = type (value: value ? kernel && value ? extend) "kernel packages" null;
      kernelParams = list isParameter;
      kernelPatches = list isAttrs;
      initrd = {
        compressor = string "zstd";
        includeDefaultModules = bool true;
        allowMissingModules = bool false;
      };
    };
    networking = {
      enableIPv6 = bool true;
      firewall.enable = bool true;
      hostName = string "nixos";
    };
    nix.enable = bool true;
    nixpkgs.hostPlatform = string null;
    powerManagement.enable = bool true;
    security.sudo.enable = bool true;
    services = {
      getty.autologinUser = type (value: value == null || isString value) "a user" null;
      logrotate.enable = bool true;
      lvm.enable = bool true;
    };
    system.stateVersion = string null;
    systemd.oomd.enable = bool true;
  };
  # These are options of a module that has to be asked for.
  ofQemu.virtualisation = {
    memorySize = positive 1024;
    cores = positive 1;
    diskSize = positive 1024;
    graphics = bool true;
    qemu = {
      consoles = list isString;
      guestAgent.enable = bool true;
      virtioKeyboard = bool true;
      options = list isString;
    };
  };

  modulesPath = "/nixos/modules";
  known = [
    "${modulesPath}/virtualisation/qemu-vm.nix"
    "${modulesPath}/profiles/minimal.nix"
  ];
  arguments = {
    inherit
      config
      lib
      modulesPath
      pkgs
      ;
  };

  open =
    module:
    if isString module then
      if elem module known then [ ] else throw "stand-in: there is no module ${module}"
    else if isPath module then
      open (import module)
    else if isFunction module then
      let
        unknown = filter (name: !arguments ? ${name}) (attrNames (functionArgs module));
      in
      if unknown == [ ] then
        open (module arguments)
      else
        throw "stand-in: modules have no argument ${concatStringsSep " " unknown}"
    else if isAttrs module then
      concatMap open (module.imports or [ ]) ++ [ (removeAttrs module [ "imports" ]) ]
    else
      throw "stand-in: a module is a ${builtins.typeOf module}";
  definitions = concatMap open modules;
  imported = concatMap (
    module:
    let
      opened = if isFunction module then module arguments else module;
    in
    if isAttrs opened then filter isString (opened.imports or [ ]) else [ ]
  ) modules;
  options = always // (if elem (builtins.head known) imported then ofQemu else { });

  unwrapped =
    value:
    if isAttrs value && value._type or null == "override" then
      { inherit (value) priority content; }
    else
      {
        priority = 100;
        content = value;
      };

  # merge PATH OPTIONS DEFINITIONS: the values.
  merge =
    path: options: definitions:
    builtins.mapAttrs (
      name: option:
      let
        here = path ++ [ name ];
        given = map (d: d.${name}) (filter (d: d ? ${name}) definitions);
      in
      if option._type or null == "option" then value here option (map unwrapped given) else merge here option given
    ) options;

  # exist PATH OPTIONS DEFINITION: true, or an error for a name that is no option.
  exist =
    path: options: definition:
    builtins.all (
      name:
      let
        here = path ++ [ name ];
      in
      if !options ? ${name} then
        throw "stand-in: the option '${concatStringsSep "." here}' does not exist"
      else
        options.${name}._type or null == "option" || exist here options.${name} definition.${name}
    ) (attrNames definition);

  value =
    path: option: given:
    let
      where = concatStringsSep "." path;
      least = builtins.foldl' (a: b: if b.priority < a then b.priority else a) 10000 given;
      winners = map (g: g.content) (filter (g: g.priority == least) given);
      wrong = filter (v: !option.check v) winners;
      first = builtins.head winners;
    in
    if wrong != [ ] then
      throw "stand-in: the option '${where}' must be ${option.what}"
    else if winners == [ ] then
      option.default
    else if isList first then
      concatLists winners
    else if filter (v: v != first) (if isAttrs first then [ ] else winners) != [ ] then
      throw "stand-in: the option '${where}' has conflicting definitions"
    else
      first;

  merged = merge [ ] options definitions;
  inherit (merged.networking) hostName;

  # What NixOS makes of the kernel that it is given.
  kernelPackages = merged.boot.kernelPackages.extend (
    self: super: {
      kernel = super.kernel.override (original: {
        randstructSeed = "";
        features = super.kernel.features;
        kernelPatches = original.kernelPatches or [ ] ++ merged.boot.kernelPatches;
      });
    }
  );

  config =
    assert builtins.all (exist [ ] options) definitions;
    # The type of each value is looked at, whoever asks for which.
    assert builtins.deepSeq (removeAttrs merged [ "boot" "system" ]) true;
    assert builtins.deepSeq (removeAttrs merged.boot [ "kernelPackages" ]) true;
    assert merged.nixpkgs.hostPlatform == "x86_64-linux";
    # This kernel can't unpack anything else.
    assert merged.boot.initrd.compressor == "gzip";
    merged
    // {
      boot = merged.boot // {
        inherit kernelPackages;
      };
      system = merged.system // {
        nixos.release = "26.05";
        build.vm = vm;
      };
    };

  vm = pkgs.runCommand "nixos-vm" { } ''
    mkdir -p "$out/bin"
    cat >"$out/bin/run-${hostName}-vm" <<'END'
    #!/bin/sh
    exec "''${QEMU:-qemu-system-x86_64}" -name ${hostName} -m ${toString config.virtualisation.memorySize} \
      -smp ${toString config.virtualisation.cores} \
      ${concatStringsSep " " config.virtualisation.qemu.options} \
      -kernel ${config.boot.kernelPackages.kernel}/bzImage \
      -append "${concatStringsSep " " config.boot.kernelParams} ${
        concatStringsSep " " (map (c: "console=${c}") config.virtualisation.qemu.consoles)
      }" "$@"
    END
    chmod +x "$out/bin/run-${hostName}-vm"
  '';
in
{
  inherit config options;
}
