# ktb itself. With `withTests` the unit tests are built too, and run.
{
  lib,
  stdenv,
  runCommand,
  cmocka,
  curl,
  elfutils,
  gdb,
  glibc,
  inih,
  json_c,
  kmod,
  libkdumpfile,
  makeBinaryWrapper,
  meson,
  ninja,
  openssl,
  patchelf,
  pkg-config,
  pkgsStatic,
  qemu_kvm,
  scdoc,
  tmux,
  source,
  withTests ? false,
}:
let
  version = builtins.head (
    builtins.match ".*[^_]version: '([0-9.]+)'.*" (builtins.readFile ../meson.build)
  );

  # Alone in its folder: the applets would hide the programs of the same names.
  busybox = runCommand "ktb-busybox" { } ''
    mkdir -p "$out/bin"
    ln -s ${pkgsStatic.busybox}/bin/busybox "$out/bin/busybox"
  '';

  # What is loaded when it is needed is not in the program's list of libraries.
  loaded = [
    curl
    libkdumpfile
    openssl
  ];
in
stdenv.mkDerivation {
  pname = if withTests then "ktb-unit-tests" else "ktb";
  inherit version;
  src = source;

  nativeBuildInputs = [
    makeBinaryWrapper
    meson
    ninja
    patchelf
    pkg-config
    scdoc
  ];
  # The guest's init is static.
  buildInputs = [
    elfutils
    glibc.static
    inih
    json_c
  ]
  ++ loaded
  ++ lib.optional withTests cmocka;

  # Tests look for their own.
  env.NIX_SET_BUILD_ID = "1";

  mesonBuildType = "debugoptimized";
  mesonFlags = [ (lib.mesonBool "tests" withTests) ];
  doCheck = withTests;
  nativeCheckInputs = [ busybox ];
  mesonCheckFlags = [ "--timeout-multiplier=5" ];
  preCheck = ''
    export LD_LIBRARY_PATH=${lib.makeLibraryPath loaded}
    export HOME="$TMPDIR"
  '';

  # Behind fixup, which would take these folders away again. Programs that the user has come first, but for busybox, which
  # has to be a static one.
  postFixup = ''
    patchelf --add-rpath ${lib.makeLibraryPath loaded} "$out/bin/ktb"
    wrapProgram "$out/bin/ktb" \
      --prefix PATH : ${lib.makeBinPath [ busybox ]} \
      --suffix PATH : ${
        lib.makeBinPath [
          gdb
          kmod
          qemu_kvm
          tmux
        ]
      }
  '';

  passthru = { inherit busybox loaded; };

  meta = {
    description = "Takes a Linux kernel from its source to a breakpoint";
    license = lib.licenses.mit;
    mainProgram = "ktb";
    platforms = [ "x86_64-linux" ];
  };
}
