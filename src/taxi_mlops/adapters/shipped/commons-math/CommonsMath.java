// Commons Math's DBSCANClusterer behind the protocol of taxi-mlops.

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.math3.ml.clustering.Cluster;
import org.apache.commons.math3.ml.clustering.Clusterable;
import org.apache.commons.math3.ml.clustering.DBSCANClusterer;

public final class CommonsMath extends Program {
    /** A point: its latitude and longitude in radians, the cosine of its latitude, and its index. */
    record Place(int index, double[] coordinates) implements Clusterable {
        @Override
        public double[] getPoint() {
            return coordinates;
        }

        // The clusterer finds visited points in a hash map, in which points at one place must stay apart.
        @Override
        public boolean equals(Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return index;
        }
    }

    private List<Place> places = List.of();
    private int[] neighbours = new int[0];
    private double radians;
    private int minPts;

    private CommonsMath() {}

    public static void main(String[] args) throws IOException {
        new CommonsMath().serve();
    }

    @Override
    String version() {
        return DBSCANClusterer.class.getPackage().getImplementationVersion();
    }

    @Override
    void prepare(Problem problem) {
        List<Place> read = new ArrayList<>();
        for (int i = 0; i < problem.latitude().length; i++) {
            double latitude = problem.latitude()[i];
            read.add(new Place(i, new double[] {latitude, problem.longitude()[i], Math.cos(latitude), i}));
        }
        places = read;
        radians = problem.eps();
        // Commons Math does not count the point itself.
        minPts = problem.minSamples() - 1;
    }

    @Override
    Answer fit() {
        neighbours = new int[places.size()];
        int[] labels = new int[places.size()];
        Arrays.fill(labels, -1);
        int number = 0;
        DBSCANClusterer<Place> clusterer = new DBSCANClusterer<>(radians, minPts, this::counted);
        for (Cluster<Place> cluster : clusterer.cluster(places)) {
            for (Place place : cluster.getPoints()) {
                labels[place.index()] = number;
            }
            number++;
        }
        byte[] core = new byte[labels.length];
        for (int i = 0; i < core.length; i++) {
            core[i] = (byte) (neighbours[i] >= minPts ? 1 : 0);
        }
        return new Answer(labels, core);
    }

    /**
     * The distance, and a count: Commons Math does not report core points, but it asks once for each point, the second
     * argument, how far all others are.
     */
    private double counted(double[] other, double[] point) {
        double distance = haversine(other, point);
        if (distance <= radians) {
            neighbours[(int) point[3]]++;
        }
        return distance;
    }

    private static double haversine(double[] one, double[] other) {
        double north = Math.sin((one[0] - other[0]) / 2);
        double east = Math.sin((one[1] - other[1]) / 2);
        return 2 * Math.asin(Math.min(1.0, Math.sqrt(north * north + one[2] * other[2] * east * east)));
    }
}
