{
  description = "Turns Python requirements into a Nix environment that can be built again, bit for bit";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  # A folder whose default.nix is the catalog that gen resolves on, { snapshot = ./facts.mach; sha256 = "…"; }:
  # --override-input catalog path:FOLDER, or inputs.mach.inputs.catalog.url. There is none of its own.
  inputs.catalog = {
    follows = "nixpkgs";
    flake = false;
  };

  outputs = { self, nixpkgs, catalog }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
      forEach = make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) systems);
      libraryFor = system: import self {
        pkgs = nixpkgs.legacyPackages.${system};
        catalog = if toString catalog == toString nixpkgs then null else import catalog;
      };
      program = system: { type = "app"; program = "${(libraryFor system).mach}/bin/mach"; };
    in
    {
      # mkPython and its family: mach.lib.x86_64-linux.mkPython { lock = ./mach.lock; }
      lib = forEach (system: builtins.removeAttrs (libraryFor system) [ "mach" "mach-nix" ]);
      # nix build .#gen.python.requests.numpy; not among packages, which nix flake check builds one by one
      legacyPackages = forEach (system: { inherit (libraryFor system) gen; });
      packages = forEach (system: let inherit (libraryFor system) mach; in { inherit mach; default = mach; });
      apps = forEach (system: { mach = program system; default = program system; });
    };
}
