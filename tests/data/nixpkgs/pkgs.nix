{ lib }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    filter
    functionArgs
    intersectAttrs
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    ;
  inherit (lib)
    isDerivation
    listOf
    makeOverridable
    must
    ;

  # What this machine has in place of what would be built; the test writes it.
  machine = import ./machine.nix;

  isSource = value: isPath value || isString value || isDerivation value || value ? outPath;
  isText = value: isString value;
  packages = listOf isDerivation;

  # The attributes that our flake may give, and what each has to be: a misspelt one would be ignored by nixpkgs.
  attributes = {
    name = isText;
    pname = isText;
    version = isText;
    src = isSource;
    patches = listOf isSource;
    outputs = listOf isText;
    nativeBuildInputs = packages;
    nativeCheckInputs = packages;
    buildInputs = packages;
    mesonBuildType = value: elem value [ "plain" "debug" "debugoptimized" "release" ];
    mesonFlags = listOf isText;
    mesonCheckFlags = listOf isText;
    doCheck = isBool;
    dontConfigure = isBool;
    dontBuild = isBool;
    dontFixup = isBool;
    dontStrip = isBool;
    buildCommand = isText;
    text = isText;
    shellHook = isText;
    env = value: builtins.all isString (builtins.attrValues value);
    NIX_LDFLAGS = isText;
    NIX_SET_BUILD_ID = isText;
    preCheck = isText;
    installPhase = isText;
    postInstall = isText;
    postFixup = isText;
    passthru = isAttrs;
    meta = isAttrs;
    # The stand-in's own.
    make = isText;
    kernelConfig = isText;
    modDirVersion = isText;
    provides = listOf isText;
  };

  checked =
    args:
    builtins.seq (builtins.deepSeq (builtins.mapAttrs (
      name: value:
      if !attributes ? ${name} then
        throw "stand-in: mkDerivation knows no '${name}'"
      else if attributes.${name} value then
        true
      else
        throw "stand-in: '${name}' is a ${builtins.typeOf value}"
    ) (removeAttrs args [ "passthru" ])) true) args;

  # Booleans as nixpkgs gives them to the builder.
  forBuilder = value: if isBool value then (if value then "1" else "") else value;

  mkDerivation =
    given:
    let
      args = checked given;
      drv = derivation (
        builtins.mapAttrs (_: forBuilder) (
          removeAttrs args [
            "env"
            "meta"
            "passthru"
          ]
        )
        // args.env or { }
        // {
          name = args.name or "${args.pname}-${args.version}";
          system = "x86_64-linux";
          outputs = args.outputs or [ "out" ];
          builder = "/bin/bash";
          args = [
            "-eu"
            ./builder.sh
          ];
          PATH = "/usr/bin:/bin:/usr/sbin:/sbin";
          machineKtb = machine.ktb;
          machineKernel = machine.kernel;
        }
      );
    in
    drv
    // args.passthru or { }
    // removeAttrs args [ "passthru" "outputs" ]
    // {
      overrideAttrs = change: mkDerivation (given // change given);
    };

  # package NAME PROGRAM...: one of nixpkgs', of which our flake only uses programs. They are those of this machine.
  package =
    name: provides:
    mkDerivation {
      inherit name provides;
      make = "programs";
    };

  runCommand =
    name: env: buildCommand:
    mkDerivation (must "runCommand takes a set" isAttrs env // { inherit name buildCommand; });

  # An unknown argument is an error there, too.
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      meta ? { },
    }:
    mkDerivation {
      inherit (checked { inherit name; }) name;
      make = "script";
      text =
        ''
          #!/bin/bash
          set -o errexit
          set -o nounset
          set -o pipefail

        ''
        + (
          if runtimeInputs == [ ] then "" else "export PATH=\"${lib.makeBinPath runtimeInputs}:$PATH\"\n\n"
        )
        + text;
      meta = meta // {
        mainProgram = name;
      };
    };

  mkShell =
    {
      inputsFrom ? [ ],
      packages ? [ ],
      shellHook ? "",
      NIX_LDFLAGS ? "",
      NIX_SET_BUILD_ID ? "",
    }:
    mkDerivation {
      name = "nix-shell";
      make = "nothing";
      nativeBuildInputs = packages ++ builtins.concatMap (p: p.nativeBuildInputs) inputsFrom;
      buildInputs = builtins.concatMap (p: p.buildInputs) inputsFrom;
      inherit NIX_LDFLAGS NIX_SET_BUILD_ID shellHook;
    };

  # An argument that the function doesn't name is an error, and so is one that is neither here nor given.
  callPackage =
    f: given:
    let
      function = if isFunction f then f else import f;
      wanted = functionArgs function;
      unknown = filter (name: !wanted ? ${name}) (attrNames given);
    in
    if unknown != [ ] then
      throw "stand-in: callPackage gives ${concatStringsSep " " unknown}, which nobody asked for"
    else
      let
        result = function (intersectAttrs wanted pkgs // given);
      in
      if isDerivation result then
        makeOverridable function (intersectAttrs wanted pkgs // given)
      else
        result;

  # As that of nixpkgs: outputs out, dev and modules; what patches ask for is merged, and has to agree.
  buildLinux = makeOverridable (
    {
      version,
      src,
      modDirVersion,
      defconfig ? null,
      enableCommonConfig ? true,
      autoModules ? true,
      ignoreConfigErrors ? false,
      structuredExtraConfig ? { },
      kernelPatches ? [ ],
      randstructSeed ? "",
      features ? { },
    }:
    let
      wrong = filter (name: !lib.isKernelOption structuredExtraConfig.${name}) (
        attrNames structuredExtraConfig
      );
      # Lines as nixpkgs writes them for its script.
      line =
        name: o: "${name}${if o.optional then "?" else ""} ${o.freeform or o.tristate}";
      config =
        structuredExtraConfig
        // builtins.foldl' (all: patch: all // patch.structuredExtraConfig or { }) { } kernelPatches;
    in
    assert isBool enableCommonConfig && isBool autoModules && isBool ignoreConfigErrors;
    assert isString modDirVersion && isString randstructSeed && isAttrs features;
    # With nixpkgs' own options ours would be in conflict.
    assert !enableCommonConfig && defconfig == "tinyconfig";
    assert modDirVersion == "${version}-ktb";
    if wrong != [ ] then
      throw "stand-in: these are no kernel options: ${concatStringsSep " " wrong}"
    else
      mkDerivation {
        pname = "linux";
        inherit version src modDirVersion;
        patches = [ ];
        outputs = [
          "out"
          "dev"
          "modules"
        ];
        make = "kernel";
        kernelConfig = concatStringsSep "\n" (builtins.attrValues (builtins.mapAttrs line config));
        passthru = {
          inherit kernelPatches features;
          structuredExtraConfig = config;
        };
      }
  );

  pkgs = {
    inherit
      buildLinux
      callPackage
      lib
      mkShell
      runCommand
      writeShellApplication
      ;
    stdenv.mkDerivation = mkDerivation;
    stdenvNoCC.mkDerivation = mkDerivation;

    linux =
      mkDerivation {
        pname = "linux";
        version = "6.12.1";
        src = ./linux;
        make = "nothing";
      }
      // {
        modDirVersion = "6.12.1";
      };
    linuxPackagesFor =
      kernel:
      let
        set = {
          kernel = must "linuxPackagesFor takes a kernel" isDerivation kernel;
          extend = f: set // f set set;
        };
      in
      set;

    glibc = package "glibc" [ ] // {
      static = package "glibc-static" [ ];
    };
    pkgsStatic.busybox = package "busybox" [ "busybox" ];
    gdb = package "gdb" [ "gdb" ];
    kmod = package "kmod" [ "depmod" ];
    qemu_kvm = package "qemu" [ "qemu-system-x86_64" ];
    tmux = package "tmux" [ "tmux" ];
  }
  # Of these only the names matter.
  // builtins.listToAttrs (
    map (name: lib.nameValuePair name (package name [ ])) [
      "bc"
      "bison"
      "cmocka"
      "curl"
      "elfutils"
      "flex"
      "inih"
      "json_c"
      "libkdumpfile"
      "makeBinaryWrapper"
      "meson"
      "ncurses"
      "ninja"
      "openssl"
      "patchelf"
      "perl"
      "pkg-config"
      "python3"
      "scdoc"
      "socat"
      "xz"
    ]
  );
in
pkgs
